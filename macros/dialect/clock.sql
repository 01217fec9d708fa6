{# The time when a query runs, UTC. #}
{% macro now_utc() -%}
    {{ return(adapter.dispatch('now_utc', 'nightbook')()) }}
{%- endmacro %}

{% macro default__now_utc() -%}
    sysdate()
{%- endmacro %}

{% macro duckdb__now_utc() -%}
    make_timestamp(epoch_us(now()))
{%- endmacro %}

{# The local time in a zone, from a UTC timestamp. #}
{% macro local_time(timestamp, time_zone) -%}
    {{ return(adapter.dispatch('local_time', 'nightbook')(timestamp, time_zone)) }}
{%- endmacro %}

{% macro default__local_time(timestamp, time_zone) -%}
    convert_timezone('UTC', {{ time_zone }}, {{ timestamp }})
{%- endmacro %}

{% macro duckdb__local_time(timestamp, time_zone) -%}
    timezone({{ time_zone }}, timezone('UTC', {{ timestamp }}))
{%- endmacro %}

{# The UTC timestamp of a local time in a zone. #}
{% macro utc_time(timestamp, time_zone) -%}
    {{ return(adapter.dispatch('utc_time', 'nightbook')(timestamp, time_zone)) }}
{%- endmacro %}

{% macro default__utc_time(timestamp, time_zone) -%}
    convert_timezone({{ time_zone }}, 'UTC', {{ timestamp }})
{%- endmacro %}

{% macro duckdb__utc_time(timestamp, time_zone) -%}
    timezone('UTC', timezone({{ time_zone }}, {{ timestamp }}))
{%- endmacro %}

{# Whole seconds from one timestamp to a later one. #}
{% macro seconds_between(earlier, later) -%}
    datediff('second', {{ earlier }}, {{ later }})
{%- endmacro %}

{# The timestamp n seconds later. #}
{% macro add_seconds(timestamp, seconds) -%}
    {{ return(adapter.dispatch('add_seconds', 'nightbook')(timestamp, seconds)) }}
{%- endmacro %}

{% macro default__add_seconds(timestamp, seconds) -%}
    dateadd('second', {{ seconds }}, {{ timestamp }})
{%- endmacro %}

{% macro duckdb__add_seconds(timestamp, seconds) -%}
    ({{ timestamp }} + to_seconds({{ seconds }}))
{%- endmacro %}
