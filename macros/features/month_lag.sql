{#
    1 where the running month is not whole, and is counted with the one before it; else 0. Models learn from the ends of
    months, and on the 2nd hardly anybody has paid or come late yet: read as a month, that would be drift.

    days: expression of the days from the last snapshot of an earlier calendar month, null where there is none. From four
    weeks on a month is whole, because the last working day of a February is no further from that of January.
#}
{% macro month_lag(days) -%}
    case when {{ days }} < 28 then 1 else 0 end
{%- endmacro %}
