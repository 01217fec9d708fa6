{#
    A number, computed in doubles and rounded to so many places, halves away from zero. A feature must have the same
    bits on every engine. Snowflake does not document how it rounds a double to places. So there the number is scaled
    and rounded to a whole number, which is exact.
#}
{% macro rounded(number, places) -%}
    {{ return(adapter.dispatch('rounded', 'nightbook')(number, places)) }}
{%- endmacro %}

{% macro default__rounded(number, places) -%}
    (round(cast({{ number }} as double) * {{ 10 ** places }}) / {{ 10 ** places }})
{%- endmacro %}

{% macro duckdb__rounded(number, places) -%}
    round({{ number }}, {{ places }})
{%- endmacro %}

{# A double as a decimal, rounded like rounded(). #}
{% macro to_decimal(number, precision, scale) -%}
    {{ return(adapter.dispatch('to_decimal', 'nightbook')(number, precision, scale)) }}
{%- endmacro %}

{% macro default__to_decimal(number, precision, scale) -%}
    cast({{ rounded(number, scale) }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}

{% macro duckdb__to_decimal(number, precision, scale) -%}
    cast({{ number }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}

{#
    The quotient of two numbers as a double. Snowflake divides decimals into a decimal with few places. It also fails on
    a zero divisor in a branch whose condition excludes it.
#}
{% macro quotient(numerator, denominator) -%}
    {{ return(adapter.dispatch('quotient', 'nightbook')(numerator, denominator)) }}
{%- endmacro %}

{% macro default__quotient(numerator, denominator) -%}
    cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0)
{%- endmacro %}

{% macro duckdb__quotient(numerator, denominator) -%}
    cast({{ numerator }} as double) / cast({{ denominator }} as double)
{%- endmacro %}

{# The greatest of the values that are not null; null when all are. values: expressions. #}
{% macro greatest_of(values) -%}
    {{ return(adapter.dispatch('greatest_of', 'nightbook')(values)) }}
{%- endmacro %}

{% macro default__greatest_of(values) -%}
    greatest_ignore_nulls({{ values | join(', ') }})
{%- endmacro %}

{% macro duckdb__greatest_of(values) -%}
    greatest({{ values | join(', ') }})
{%- endmacro %}

{# The least of the values that are not null; null when all are. values: expressions. #}
{% macro least_of(values) -%}
    {{ return(adapter.dispatch('least_of', 'nightbook')(values)) }}
{%- endmacro %}

{% macro default__least_of(values) -%}
    least_ignore_nulls({{ values | join(', ') }})
{%- endmacro %}

{% macro duckdb__least_of(values) -%}
    least({{ values | join(', ') }})
{%- endmacro %}
