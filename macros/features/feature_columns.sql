{# Names of a feature relation's features: the columns that its YAML, written from the catalog, gives after the keys. #}
{% macro feature_columns(model_name, keys) -%}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- for name in graph.nodes['model.nightbook.' ~ model_name].columns if name not in keys -%}
            {%- do names.append(name) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}
