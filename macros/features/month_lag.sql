{#
    1 where the running month is incomplete and is counted with the month before; else 0. Models learn from month-ends.
    On the 2nd of a month hardly anybody has paid yet or is late yet. As a month of its own, this would look like drift.

    days: expression for the days since the last snapshot of an earlier calendar month, null where there is none. A
    month is complete from 28 days on: the last working days of January and February can be only 28 days apart.
#}
{% macro month_lag(days) -%}
    case when {{ days }} < 28 then 1 else 0 end
{%- endmacro %}
