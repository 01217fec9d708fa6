{# Columns of a row as one JSON text, names in the order given, null as null. #}
{% macro json_text(columns) -%}
    {{ return(adapter.dispatch('json_text', 'nightbook')(columns)) }}
{%- endmacro %}

{% macro default__json_text(columns) -%}
    to_json(object_construct_keep_null(
        {%- for column in columns %}'{{ column }}', {{ column }}{{ ', ' if not loop.last }}{% endfor -%}
    ))
{%- endmacro %}

{% macro duckdb__json_text(columns) -%}
    cast(json_object({% for column in columns %}'{{ column }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %}) as varchar)
{%- endmacro %}

{# A timestamp as text, to the second. #}
{% macro timestamp_text(timestamp) -%}
    {{ return(adapter.dispatch('timestamp_text', 'nightbook')(timestamp)) }}
{%- endmacro %}

{% macro default__timestamp_text(timestamp) -%}
    to_char({{ timestamp }}, 'YYYY-MM-DD HH24:MI:SS')
{%- endmacro %}

{% macro duckdb__timestamp_text(timestamp) -%}
    strftime({{ timestamp }}, '%Y-%m-%d %H:%M:%S')
{%- endmacro %}

{# Columns of a row as one text, to be hashed: values in the order given, a bar between them, nothing for null. #}
{% macro row_text(columns) -%}
    {%- for column in columns -%}
    coalesce(cast({{ column }} as varchar), ''){{ " || '|' || " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    One text of many rows in the order of their key; an aggregate. text, key: expressions.
#}
{% macro texts_in_order(text, key) -%}
    {{ return(adapter.dispatch('texts_in_order', 'nightbook')(text, key)) }}
{%- endmacro %}

{% macro default__texts_in_order(text, key) -%}
    listagg({{ text }}, '\n') within group (order by {{ key }})
{%- endmacro %}

{% macro duckdb__texts_in_order(text, key) -%}
    string_agg({{ text }}, chr(10) order by {{ key }})
{%- endmacro %}
