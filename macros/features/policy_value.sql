{# One policy as a typed column of int_policy. #}
{% macro policy_value(name, data_type) -%}
    cast(max(case when name = '{{ name }}' then value end) as {{ data_type }}) as {{ name }}
{%- endmacro %}
