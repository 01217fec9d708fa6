{#
    Creates the two tables under fct_fairness where no training or no night has done so, so that the view always has
    both.
#}
{% macro ensure_fairness_tables() %}
    {%- if execute -%}
        {%- for source in graph.sources.values() if source.source_name == 'fairness' -%}
            {%- do make_missing_table(
                api.Relation.create(database=source.database, schema=source.schema, identifier=source.identifier, type='table'),
                declared_columns(source)
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
