{#
    Makes each landing table that no loader has made, empty: a lender without a bureau feed still runs.
    The columns are those of the source's YAML, the one definition of the landing contract on the warehouse's side.
#}
{% macro ensure_landing_tables() %}
    {%- if execute -%}
        {%- for source in graph.sources.values() if source.source_name == 'raw' -%}
            {%- set relation = api.Relation.create(
                database=source.database, schema=source.schema, identifier=source.identifier, type='table') -%}
            {%- if not adapter.get_relation(relation.database, relation.schema, relation.identifier) -%}
                {%- do adapter.create_schema(relation) -%}
                {%- call statement('create_landing_table', auto_begin=true) -%}
                    create table if not exists {{ relation }} (
                        {%- for column in source.columns.values() %}
                        {{ column.name }} {{ column.data_type }}{{ "," if not loop.last }}
                        {%- endfor %}
                    )
                {%- endcall -%}
                {#- The hook's own transaction is rolled back once it ends. -#}
                {%- do adapter.commit() -%}
                {%- do adapter.cache_added(relation) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
