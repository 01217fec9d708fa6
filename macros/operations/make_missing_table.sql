{# Makes a table that does not exist yet, empty, from within a hook. columns: name -> type. #}
{% macro make_missing_table(relation, columns) %}
    {%- if not adapter.get_relation(relation.database, relation.schema, relation.identifier) -%}
        {%- do adapter.create_schema(relation) -%}
        {%- call statement('make_missing_table', auto_begin=true) -%}
            create table if not exists {{ relation }} (
                {%- for name, data_type in columns.items() %}
                {{ name }} {{ data_type }}{{ "," if not loop.last }}
                {%- endfor %}
            )
        {%- endcall -%}
        {#- The hook's own transaction is rolled back once it ends. -#}
        {%- do adapter.commit() -%}
        {%- do adapter.cache_added(relation) -%}
    {%- endif -%}
{% endmacro %}
