{#
    Raises an error where the audit log does not hold what it must:
      - it is empty after a run has ended
      - it has fewer entries than their numbers say
      - it lacks a run that the run log has
    The hook record_end writes both logs in one transaction, so no kill can leave one without the other. In all three
    cases somebody removed entries or inserted the run.

    It is a hook at the start of a run, before anything is written. The hook record_end calls it again. The library
    makes the same check (nightbook.trail.audit.check_unbroken).
#}
{% macro refuse_broken_chain() %}
    {%- if execute and invocation_args_dict.which in ('build', 'run', 'retry', 'seed', 'snapshot') -%}
        {%- do refuse_functions() -%}
        {%- set chain = adapter.get_relation(target.database, 'audit', 'audit_chain') -%}
        {%- set run_log = adapter.get_relation(target.database, 'audit', 'run_log') -%}
        {%- set entries = rows_of('select count(*) as row_count, coalesce(max(sequence), 0) as last from ' ~ chain)[0]
            if chain else {'row_count': 0, 'last': 0} -%}
        {%- if entries.row_count | int != entries.last | int -%}
            {{ exceptions.raise_compiler_error(
                'audit log: the last entry is number ' ~ entries.last ~ ' of ' ~ entries.row_count ~ ': entries were removed'
                ~ ' or inserted. Restore audit.audit_chain from a backup; `verify-audit` names the place'
            ) }}
        {%- endif -%}
        {%- set missing = rows_of(
            "select run_id, as_of_date from " ~ run_log ~ " where " ~ (
                "run_id not in (select subject from " ~ chain ~ " where kind = 'run')"
                if entries.row_count | int else "outcome = 'succeeded'"
            ) ~ " order by ended_at limit 1"
        ) if run_log else [] -%}
        {%- if missing and not entries.row_count | int -%}
            {{ exceptions.raise_compiler_error(
                'audit log: has no entry, but the run log has run ' ~ missing[0].run_id ~ ' of ' ~ missing[0].as_of_date
                ~ ': it was emptied. Restore audit.audit_chain from a backup. A new log would not cover anything before it'
            ) }}
        {%- elif not missing and not entries.row_count | int and nightbook._written_here() -%}
            {{ exceptions.raise_compiler_error(
                'audit log: has no entry, but ' ~ nightbook._written_here() ~ ' has rows: it was emptied.'
                ~ ' Restore audit.audit_chain and audit.run_log from a backup'
            ) }}
        {%- elif missing -%}
            {{ exceptions.raise_compiler_error(
                'audit log: lacks run ' ~ missing[0].run_id ~ ' of ' ~ missing[0].as_of_date ~ ', which is in the run log. The log was cut'
                ~ ' short or the run was inserted. Restore audit.audit_chain, or delete the row from audit.run_log'
            ) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#
    Raises an error where somebody has added a function to the warehouse. One with the name of an engine's function
    would be called instead of it.
#}
{% macro refuse_functions() -%}
    {{ return(adapter.dispatch('refuse_functions', 'nightbook')()) }}
{%- endmacro %}

{% macro default__refuse_functions() -%}
{%- endmacro %}

{% macro duckdb__refuse_functions() -%}
    {%- for one in rows_of(
        'select schema_name, function_name from system.main.duckdb_functions() where not internal order by all limit 1'
    ) -%}
        {{ exceptions.raise_compiler_error(
            one.schema_name ~ '.' ~ one.function_name ~ ' is a function that somebody added to the warehouse.'
            ~ ' It may replace a function of the engine: drop it'
        ) }}
    {%- endfor -%}
{%- endmacro %}

{#
    A table with rows that can exist only after the audit log had entries: promotions or scores. Empty where none has
    rows.
#}
{% macro _written_here() -%}
    {%- set written = [('audit', 'promotion_log')] -%}
    {%- for model in scoring_models() -%}{%- do written.append(('marts', model.scores)) -%}{%- endfor -%}
    {%- for schema, table in written -%}
        {%- set relation = adapter.get_relation(target.database, schema, table) -%}
        {%- if relation and rows_of('select 1 as found from ' ~ relation ~ ' limit 1') -%}
            {{ return(schema ~ '.' ~ table) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return('') }}
{%- endmacro %}
