{#
    Schemas have the names of their layers alone, because outside readers use marts.fct_account_scores on every target.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
