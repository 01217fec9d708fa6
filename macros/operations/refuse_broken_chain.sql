{#
    Raises where the audit log does not hold what it must: nothing at all after a run came to its end, fewer entries than
    their numbers say, or not the run that the run log has. Run log and audit log are written in one transaction (record_end),
    so that no kill leaves the one without the other: somebody took entries out, or put the run in. Hook at the start of a
    run, before anything is written, and once more before its end is recorded. nightbook.audit.check_unbroken asks the same.
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
                'audit log: the last entry is number ' ~ entries.last ~ ' of ' ~ entries.row_count ~ ': entries were taken out or'
                ~ ' put in. Restore audit.audit_chain from a backup; `verify-audit` names the place'
            ) }}
        {%- endif -%}
        {%- set lost = rows_of(
            "select run_id, as_of_date from " ~ run_log ~ " where " ~ (
                "run_id not in (select subject from " ~ chain ~ " where kind = 'run')"
                if entries.row_count | int else "outcome = 'succeeded'"
            ) ~ " order by ended_at limit 1"
        ) if run_log else [] -%}
        {%- if lost and not entries.row_count | int -%}
            {{ exceptions.raise_compiler_error(
                'audit log: has no entry, and the run log has run ' ~ lost[0].run_id ~ ' of ' ~ lost[0].as_of_date
                ~ ': it was emptied. Restore audit.audit_chain from a backup; a log begun anew would answer for nothing before it'
            ) }}
        {%- elif not lost and not entries.row_count | int and nightbook._approved_here() -%}
            {{ exceptions.raise_compiler_error(
                'audit log: has no entry, and ' ~ nightbook._approved_here() ~ ' was judged and approved here: it was emptied.'
                ~ ' Restore audit.audit_chain and audit.run_log from a backup'
            ) }}
        {%- elif lost -%}
            {{ exceptions.raise_compiler_error(
                'audit log: does not hold run ' ~ lost[0].run_id ~ ' of ' ~ lost[0].as_of_date ~ ', which the run log has: it was'
                ~ ' cut short, or the run was put in by other means. Restore audit.audit_chain, or take the row out of audit.run_log'
            ) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{# Raises where somebody has put a function into the warehouse: one with the name of the engine's own would be called for it. #}
{% macro refuse_functions() -%}
    {{ return(adapter.dispatch('refuse_functions', 'nightbook')()) }}
{%- endmacro %}

{% macro default__refuse_functions() -%}
{%- endmacro %}

{% macro duckdb__refuse_functions() -%}
    {%- for one in rows_of('select schema_name, function_name from duckdb_functions() where not internal order by all limit 1') -%}
        {{ exceptions.raise_compiler_error(
            one.schema_name ~ '.' ~ one.function_name ~ ' is a function that somebody has put into the warehouse; what the engine'
            ~ "'s own would say, it may say otherwise: drop it"
        ) }}
    {%- endfor -%}
{%- endmacro %}

{# A version whose verdict and whose approval stand in this warehouse: both are entered before it scores. Nothing where there is none. #}
{% macro _approved_here() -%}
    {%- set relations = [
        adapter.get_relation(target.database, 'audit', 'fct_promotions'),
        adapter.get_relation(target.database, 'audit', 'fct_model_versions'),
        adapter.get_relation(target.database, 'training', 'fct_gate_decisions'),
    ] -%}
    {%- if none in relations -%}
        {{ return('') }}
    {%- endif -%}
    {%- set asked -%}
        select promotions.model_name || ' version ' || promotions.model_version as name
        from {{ relations[0] }} as promotions
        inner join {{ relations[1] }} as versions
            on promotions.model_name = versions.model_name and promotions.model_version = versions.model_version
        inner join {{ relations[2] }} as verdicts on versions.mlflow_run_id = verdicts.mlflow_run_id
        order by name
        limit 1
    {%- endset -%}
    {%- set found = rows_of(asked) -%}
    {{ return(found[0].name if found else '') }}
{%- endmacro %}
