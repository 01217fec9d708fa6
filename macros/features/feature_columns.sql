{# A feature relation's features, each under its own name: the columns that its YAML, written from the catalog, gives after the keys. #}
{% macro feature_columns(model_name, keys) -%}
    {%- set names = {} -%}
    {%- if execute -%}
        {%- for name in graph.nodes['model.nightbook.' ~ model_name].columns if name not in keys -%}
            {%- do names.update({name: name}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}
