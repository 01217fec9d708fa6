{#
    The gate itself. It raises an error, in one line, where fct_input_checks says that this run must stop. It runs when
    int_run is about to be built, because everything else in a run takes its date from there. An override that names no
    rule is refused as well. Otherwise its author would believe that a misspelt override was recorded.
#}
{% macro stop_on_bad_input(checks, rules, night) -%}
    {%- set given = overrides() -%}
    {%- if execute and flags.WHICH in ('build', 'run') and '__dbt__cte__' not in checks | string -%}
        {%- set known = run_query('select distinct rule from ' ~ rules).columns[0].values() -%}
        {%- for override in given if override.rule not in ('*', 'drift', 'partial_run') and override.rule not in known -%}
            {{ exceptions.raise_compiler_error(
                "NIGHTBOOK_OVERRIDE names " ~ shown_text(override.rule) ~ ", which is not a rule in seeds/reference/input_rules.csv."
                ~ " Use RULE:TABLE.COLUMN"
            ) }}
        {%- endfor -%}
        {%- set of_run = ' where run_id in (select run_id from ' ~ night ~ ')' -%}
        {%- set judged = run_query('select count(*) from ' ~ checks ~ of_run) -%}
        {%- if judged.columns[0].values()[0] == 0 -%}
            {{ exceptions.raise_compiler_error(
                "The input was not checked in this run. Build int_run with its parents (+int_run, a selector or a tag)"
            ) }}
        {%- endif -%}
        {%- set stops = rows_of(
            'select message, rule, table_name, column_name, count(*) over () as stops from ' ~ checks ~ of_run
            ~ " and status = 'stop' order by rule, table_name, column_name limit 1"
        ) -%}
        {%- if stops -%}
            {%- set stop = stops[0] -%}
            {{ exceptions.raise_compiler_error(
                shown_text(stop.message).rstrip(".") ~ ". Nothing was scored. Correct the data and land it again, or override: --override " ~ stop.rule ~ ":"
                ~ stop.table_name ~ ("." ~ stop.column_name if stop.column_name else "") ~ " --reason ..."
                ~ (" (" ~ (stop.stops - 1) | int ~ " more in " ~ checks.schema ~ "." ~ checks.identifier ~ ")" if stop.stops > 1 else "")
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    The stops that the caller takes responsibility for, from int_request: RULE, RULE:TABLE or RULE:TABLE.COLUMN,
    separated by commas. A list of dictionaries with rule, table and column (none: all).
#}
{% macro overrides() -%}
    {%- set request = ref('int_request') -%}
    {%- set is_there = execute and '__dbt__cte__' not in request | string and load_relation(request) -%}
    {{ return(overrides_in(run_query('select overrides from ' ~ request).columns[0].values()[0] if is_there else '')) }}
{%- endmacro %}

{# What a text of overrides names, as a list. #}
{% macro overrides_in(text) -%}
    {%- set found = [] -%}
    {%- for part in (text or '').split(',') if part.strip() -%}
        {%- set rule, _, subject = part.strip().partition(':') -%}
        {%- set table, _, column = subject.partition('.') -%}
        {%- do found.append({'rule': rule, 'table': table or none, 'column': column or none}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# True for rows that the caller takes responsibility for. rule, table, column: expressions. #}
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
