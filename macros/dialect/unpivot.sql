{# One row per row and number column of a wide relation: feature, value (double, null included). #}
{% macro unpivot_numbers(relation, keys) -%}
{%- set columns = [] -%}
{%- if execute -%}
    {%- for column in adapter.get_columns_in_relation(relation) if column.name | lower not in keys -%}
        {%- do columns.append(column.name | lower) -%}
    {%- endfor -%}
{%- endif -%}
select
    feature,
    value
from (
    select
        {%- for column in columns %}
        cast({{ column }} as double) as {{ column }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
) as numbers
unpivot include nulls (value for feature in ({{ columns | join(', ') }}))
{%- endmacro %}
