{#
    Makes each landing table that no loader has made, empty: a lender without a bureau feed still runs.
    The columns are those of the source's YAML, the one definition of the landing contract on the warehouse's side.
#}
{% macro ensure_landing_tables() %}
    {%- if execute -%}
        {%- for source in graph.sources.values() if source.source_name == 'raw' -%}
            {%- set relation = api.Relation.create(
                database=source.database, schema=source.schema, identifier=source.identifier, type='table') -%}
            {%- set columns = {} -%}
            {%- for column in source.columns.values() -%}
                {%- do columns.update({column.name: column.data_type}) -%}
            {%- endfor -%}
            {%- do make_missing_table(relation, columns) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
