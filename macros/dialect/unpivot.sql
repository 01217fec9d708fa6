{#
    One row per row and column of a wide relation of numbers: feature, and value as a double, nulls included. Feature
    names are in lower case on every engine.
    columns: column -> feature.
#}
{% macro unpivot_numbers(relation, columns) -%}
select
    lower(feature) as feature,
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
