{# The date n months later. A month-end stays a month-end, so a horizon from 30 September ends on 31 October. #}
{% macro add_months(date, months) -%}
    {{ return(adapter.dispatch('add_months', 'nightbook')(date, months)) }}
{%- endmacro %}

{% macro default__add_months(date, months) -%}
    cast(add_months({{ date }}, {{ months }}) as date)
{%- endmacro %}

{% macro duckdb__add_months(date, months) -%}
    case
        when {{ date }} = last_day({{ date }}) then last_day(cast({{ date }} + to_months(cast({{ months }} as integer)) as date))
        else cast({{ date }} + to_months(cast({{ months }} as integer)) as date)
    end
{%- endmacro %}

{# Calendar months from one date to a later one: 31 January to 1 February is 1. #}
{% macro months_between(earlier, later) -%}
    ((extract(year from {{ later }}) - extract(year from {{ earlier }})) * 12
        + (extract(month from {{ later }}) - extract(month from {{ earlier }})))
{%- endmacro %}

{# Whole days from one date to a later one. #}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between', 'nightbook')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    datediff('day', {{ earlier }}, {{ later }})
{%- endmacro %}

{# The date n days later. #}
{% macro add_days(date, days) -%}
    {{ return(adapter.dispatch('add_days', 'nightbook')(date, days)) }}
{%- endmacro %}

{% macro default__add_days(date, days) -%}
    cast(dateadd('day', {{ days }}, {{ date }}) as date)
{%- endmacro %}

{% macro duckdb__add_days(date, days) -%}
    cast({{ date }} + cast({{ days }} as integer) as date)
{%- endmacro %}

{# The first day of the month of a date. #}
{% macro month_start(date) -%}
    cast(date_trunc('month', {{ date }}) as date)
{%- endmacro %}

{# The last day of the month of a date. #}
{% macro month_end(date) -%}
    last_day({{ date }})
{%- endmacro %}

{# The due date in the month of a date: the day of the month on which the account was opened, 28 at the latest. #}
{% macro due_date(opened_on, date) -%}
    {{ return(adapter.dispatch('due_date', 'nightbook')(opened_on, date)) }}
{%- endmacro %}

{% macro default__due_date(opened_on, date) -%}
    cast(dateadd('day', {{ least_of(['extract(day from ' ~ opened_on ~ ')', '28']) }} - 1, date_trunc('month', {{ date }})) as date)
{%- endmacro %}

{% macro duckdb__due_date(opened_on, date) -%}
    cast(date_trunc('month', {{ date }}) as date) + cast(least(extract(day from {{ opened_on }}), 28) - 1 as integer)
{%- endmacro %}
