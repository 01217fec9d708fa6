{# A condition as 1, 0 or null, so that windows can count and average it. #}
{% macro flag(condition) -%}
    case when {{ condition }} then 1 when not ({{ condition }}) then 0 end
{%- endmacro %}

{# The larger of two values; null when the first is null. greatest() treats nulls differently on each engine. #}
{% macro at_least(value, floor) -%}
    case when {{ value }} < {{ floor }} then {{ floor }} else {{ value }} end
{%- endmacro %}

{#
    The quotient of two decimals to six places, held within +/- limit. It is null when either is null or the denominator
    is not positive. The limit keeps a denominator of one cent from dominating the sums of a window.
#}
{% macro ratio(numerator, denominator, limit=1000) -%}
    {%- set divided = quotient(numerator, denominator) -%}
    case
        when not {{ denominator }} > 0 then null
        when {{ divided }} > {{ limit }} then {{ limit }}
        when {{ divided }} < -{{ limit }} then -{{ limit }}
        else {{ to_decimal(divided, 18, 6) }}
    end
{%- endmacro %}
