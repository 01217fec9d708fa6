{#
    The gate itself: raises, in one line, what fct_input_checks of this run says must stop it, so that nothing is built on
    the input. Asked when int_run is about to be built, because everything of a run takes its date from there. An override that
    names no rule is refused as well: a misspelt one would leave its author in the belief that it was recorded.
#}
{% macro stop_on_bad_input(checks, rules) -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'retry') and '__dbt__cte__' not in checks | string -%}
        {%- set known = run_query('select distinct rule from ' ~ rules).columns[0].values() -%}
        {%- for override in overrides() if override.rule not in ('*', 'drift') and override.rule not in known -%}
            {{ exceptions.raise_compiler_error(
                "NIGHTBOOK_OVERRIDE names " ~ shown_text(override.rule) ~ ", which is no rule of seeds/reference/input_rules.csv: name one"
                ~ " of it, as RULE:TABLE.COLUMN"
            ) }}
        {%- endfor -%}
        {%- set judged = run_query("select count(*) from " ~ checks ~ " where run_id = " ~ text_literal(invocation_id)) -%}
        {%- if judged.columns[0].values()[0] == 0 -%}
            {{ exceptions.raise_compiler_error(
                "The input was not judged in this run: build int_run together with what it rests on (+int_run, a selector or a tag)"
            ) }}
        {%- endif -%}
        {%- set stops = rows_of(
            "select message, rule, table_name, column_name, count(*) over () as stops from " ~ checks ~ " where run_id = " ~ text_literal(invocation_id)
            ~ " and status = 'stop' order by rule, table_name, column_name limit 1"
        ) -%}
        {%- if stops -%}
            {%- set stop = stops[0] -%}
            {{ exceptions.raise_compiler_error(
                shown_text(stop.message).rstrip(".") ~ ". Nothing was scored. Land it right, or take the responsibility: --override " ~ stop.rule ~ ":"
                ~ stop.table_name ~ ("." ~ stop.column_name if stop.column_name else "") ~ " --reason ..."
                ~ (" (" ~ (stop.stops - 1) | int ~ " more in " ~ checks.schema ~ "." ~ checks.identifier ~ ")" if stop.stops > 1 else "")
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    What the caller takes the responsibility for: NIGHTBOOK_OVERRIDE, as RULE, RULE:TABLE or RULE:TABLE.COLUMN, several with
    commas between them. A list of dictionaries rule, table, column (none: all).
#}
{% macro overrides() -%}
    {%- set found = [] -%}
    {%- for part in nightbook._from_environment('NIGHTBOOK_OVERRIDE').split(',') if part.strip() -%}
        {%- set rule, _, subject = part.strip().partition(':') -%}
        {%- set table, _, column = subject.partition('.') -%}
        {%- do found.append({'rule': rule, 'table': table or none, 'column': column or none}) -%}
    {%- endfor -%}
    {%- if found and not nightbook._from_environment('NIGHTBOOK_OVERRIDE_REASON').strip() -%}
        {{ exceptions.raise_compiler_error(
            "NIGHTBOOK_OVERRIDE is set and NIGHTBOOK_OVERRIDE_REASON is not: whoever lets a stop pass says why"
        ) }}
    {%- endif -%}
    {%- for name in ('NIGHTBOOK_OVERRIDE', 'NIGHTBOOK_OVERRIDE_REASON') if not nightbook._from_environment(name).isprintable() -%}
        {{ exceptions.raise_compiler_error(
            name ~ " is '" ~ shown_text(nightbook._from_environment(name)) ~ "': write it in one line, without control characters"
        ) }}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# True for the rows that the caller takes the responsibility for. rule, table, column: expressions. #}
{% macro is_overridden(rule, table, column) -%}
    (
        false
        {%- for one in overrides() %}
        or (
            {{ "true" if one.rule == '*' else rule ~ ' = ' ~ text_literal(one.rule) }}
            {%- if one.table %} and {{ table }} = {{ text_literal(one.table) }}{% endif %}
            {%- if one.column %} and {{ column }} = {{ text_literal(one.column) }}{% endif %}
        )
        {%- endfor %}
    )
{%- endmacro %}

{# Who overrides: the actor of the run, as a literal. #}
{% macro override_actor() -%}
    {{ text_literal(actor()) }}
{%- endmacro %}

{# Why, as a literal. #}
{% macro override_reason() -%}
    {{ text_literal(nightbook._from_environment('NIGHTBOOK_OVERRIDE_REASON')) }}
{%- endmacro %}
