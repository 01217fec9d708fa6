{# One row per row and named number column of a wide relation: feature, value (double, null included). #}
{% macro unpivot_numbers(relation, columns) -%}
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
