{# Creates a table that does not exist yet, empty, from within a hook. columns: name -> type. #}
{% macro make_missing_table(relation, columns) %}
    {%- if not adapter.get_relation(relation.database, relation.schema, relation.identifier) -%}
        {#- On Snowflake an administrator owns the schemas. A request to create one is refused even where it exists. -#}
        {%- if not adapter.check_schema_exists(relation.database, relation.schema) -%}
            {%- do adapter.create_schema(relation) -%}
        {%- endif -%}
        {%- call statement('make_missing_table', auto_begin=true) -%}
            create table if not exists {{ relation }} (
                {%- for name, data_type in columns.items() %}
                {{ name }} {{ data_type }}{{ "," if not loop.last }}
                {%- endfor %}
            )
        {%- endcall -%}
        {#- dbt rolls the hook's own transaction back when the hook ends. -#}
        {%- do adapter.commit() -%}
        {%- do adapter.cache_added(relation.incorporate(dbt_created=true)) -%}
    {%- endif -%}
{% endmacro %}

{# Columns of a source as its YAML declares them, name -> type. source: a node of dbt's graph. #}
{% macro declared_columns(source) -%}
    {%- set columns = {} -%}
    {%- for column in source.columns.values() -%}
        {%- do columns.update({column.name: column.data_type}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#
    Adds missing columns to a table that an earlier version of the project created, from within a hook.
    columns: name -> type.
#}
{% macro add_missing_columns(relation, columns) %}
    {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
    {%- for name, data_type in columns.items() if name not in existing -%}
        {%- call statement('add_missing_columns', auto_begin=true) -%}
            alter table {{ relation }} add column {{ name }} {{ data_type }}
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endfor -%}
{% endmacro %}
