{#
    dbt-duckdb copies the batch of an incremental model into a temporary table, and from there into its target. The
    strategies of this project that read the batch once get a view instead. A night's partition of a large book then
    goes straight into the history, without a copy in memory. What is written in turns or by month is written so from
    the first run on, when no history exists yet.
#}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) -%}
    {%- set strategy = config.get('incremental_strategy') -%}
    {%- set batch = relation.identifier ~ '__batch' -%}
    {%- set is_whole = strategy == 'replace_stale' and changes_of(model.name).is_whole -%}
    {%- set reads_once = strategy in ('replace_partition', 'replace_run', 'append') or (strategy or '').startswith('replace_broken_off') -%}
    {%- if temporary and language == 'sql' and (reads_once or is_whole) -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(compiled_code) }}
        {%- endif %}
        create or replace temporary view {{ relation.include(database=false, schema=false) }} as (
            {{ compiled_code }}
        )
    {%- elif not temporary and (config.get('accounts_at_a_time') or is_whole) -%}
        create or replace temporary view {{ batch }} as (
            {{ compiled_code }}
        );
        create table {{ relation }} as select * from {{ batch }} limit 0;
        {{ insert_history(relation, none, batch) }}
    {%- else -%}
        {{ dbt.duckdb__create_table_as(temporary, relation, compiled_code, language=language, partitioned_by=partitioned_by, sorted_by=sorted_by) }}
    {%- endif -%}
{%- endmacro %}
