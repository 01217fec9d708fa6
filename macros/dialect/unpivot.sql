{# One row per row and column of a wide relation of numbers: feature, value (double, null included). columns: column -> feature. #}
{% macro unpivot_numbers(relation, columns) -%}
select
    feature,
    value
from (
    select
        {%- for column, feature in columns.items() %}
        cast({{ column }} as double) as {{ feature }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}
) as numbers
unpivot include nulls (value for feature in ({{ columns.values() | join(', ') }}))
{%- endmacro %}
