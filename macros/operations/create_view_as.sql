{#
    A view on DuckDB is replaced by one statement. dbt would make it under another name, rename both and drop the old
    one, which takes longer than all else that it does for a view.
#}
{% materialization view, adapter='duckdb' -%}
    {%- set made = create_or_replace_view() -%}
    {%- do adapter.commit() -%}
    {{ return(made) }}
{%- endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}
    create or replace view {{ relation }} as (
        {{ sql }}
    )
{%- endmacro %}
