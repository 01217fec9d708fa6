{#
    The features of a relation, each under its own name: the columns that its YAML lists, without the keys. The YAML is
    written from the catalog.
#}
{% macro feature_columns(model_name, keys) -%}
    {%- set names = {} -%}
    {%- if execute -%}
        {%- for name in graph.nodes['model.nightbook.' ~ model_name].columns if name not in keys -%}
            {%- do names.update({name: name}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}
