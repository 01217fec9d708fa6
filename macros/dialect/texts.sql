{#
    Columns of a row as one JSON text, names in the order given, null as null. Times are columns named ..._at and dates those
    named ..._date, as everywhere here.
#}
{% macro json_text(columns) -%}
    {{ return(adapter.dispatch('json_text', 'nightbook')(columns)) }}
{%- endmacro %}

{# Put together by hand, for an object has no order of its own, and writes times as the session is told to. #}
{% macro default__json_text(columns) -%}
    '{'
    {%- for column in columns %}
    || '{{ ',' if not loop.first }}"{{ column }}":' || coalesce(to_json(to_variant({{ nightbook._settled_text(column) }})), 'null')
    {%- endfor %}
    || '}'
{%- endmacro %}

{% macro duckdb__json_text(columns) -%}
    cast(json_object({% for column in columns %}'{{ column }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %}) as varchar)
{%- endmacro %}

{# A column whose text would hang on the session, a time or a date, as the text that it is always; any other as it is. #}
{% macro _settled_text(column) -%}
    {%- if column.endswith('_at') -%} {{ microseconds_text(column) }}
    {%- elif column.endswith('_date') -%} {{ date_text(column) }}
    {%- else -%} {{ column }}
    {%- endif -%}
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

{# A timestamp as text that gives it back unchanged. #}
{% macro microseconds_text(timestamp) -%}
    {{ return(adapter.dispatch('microseconds_text', 'nightbook')(timestamp)) }}
{%- endmacro %}

{% macro default__microseconds_text(timestamp) -%}
    rtrim(rtrim(to_char({{ timestamp }}, 'YYYY-MM-DD HH24:MI:SS.FF6'), '0'), '.')
{%- endmacro %}

{% macro duckdb__microseconds_text(timestamp) -%}
    cast({{ timestamp }} as varchar)
{%- endmacro %}

{# A date as text, year first. #}
{% macro date_text(date) -%}
    {{ return(adapter.dispatch('date_text', 'nightbook')(date)) }}
{%- endmacro %}

{% macro default__date_text(date) -%}
    to_char({{ date }}, 'YYYY-MM-DD')
{%- endmacro %}

{% macro duckdb__date_text(date) -%}
    cast({{ date }} as varchar)
{%- endmacro %}

{#
    A double as text, whole numbers with a zero behind the point. To twelve places on Snowflake, whose own text of a double
    leaves digits out and zeros too.
#}
{% macro number_text(number) -%}
    {{ return(adapter.dispatch('number_text', 'nightbook')(number)) }}
{%- endmacro %}

{% macro default__number_text(number) -%}
    {#- What is no number, and infinity, cannot be cast, not even in a branch that they never reach. -#}
    {%- set finite = 'case when ' ~ number ~ ' - ' ~ number ~ ' = 0 then ' ~ number ~ ' end' -%}
    case
        when not {{ number }} - {{ number }} = 0 then lower(cast({{ number }} as varchar))
        when {{ number }} = floor({{ number }}) then cast(cast({{ finite }} as decimal(38, 0)) as varchar) || '.0'
        else rtrim(cast({{ to_decimal(finite, 38, 12) }} as varchar), '0')
    end
{%- endmacro %}

{% macro duckdb__number_text(number) -%}
    cast({{ number }} as varchar)
{%- endmacro %}

{# A text that is known when dbt runs, as a literal. Whatever was not written in this project goes into SQL through here. #}
{% macro text_literal(text) -%}
    {{ return(adapter.dispatch('text_literal', 'nightbook')(text | string)) }}
{%- endmacro %}

{# Texts that are known when dbt runs, written out for `in`; of none, one that nothing equals but an empty text. #}
{% macro text_list(texts) -%}
    {%- set written = [] -%}
    {%- for text in texts -%}{%- do written.append(text_literal(text)) -%}{%- endfor -%}
    {{ return('(' ~ (written | join(', ') or "''") ~ ')') }}
{%- endmacro %}

{# On Snowflake a backslash says that the next character is meant otherwise. #}
{% macro default__text_literal(text) -%}
    {{ return("'" ~ (text | replace('\\', '\\\\') | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{% macro duckdb__text_literal(text) -%}
    {{ return("'" ~ (text | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{#
    Columns of a row as one text, to be hashed: values in the order given, a bar between them, nothing for null. Times and
    dates are told by their names, as in json_text. doubles: those of the columns that are.
#}
{% macro row_text(columns, doubles=[]) -%}
    {%- for column in columns -%}
    coalesce({{ number_text(column) if column in doubles else 'cast(' ~ nightbook._settled_text(column) ~ ' as varchar)' }}, '')
    {{- " || '|' || " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    One text of many rows in the order of their key, null where none has one; an aggregate. text, key: expressions.
#}
{% macro texts_in_order(text, key) -%}
    {{ return(adapter.dispatch('texts_in_order', 'nightbook')(text, key)) }}
{%- endmacro %}

{% macro default__texts_in_order(text, key) -%}
    nullif(listagg({{ text }}, '\n') within group (order by {{ key }}), '')
{%- endmacro %}

{% macro duckdb__texts_in_order(text, key) -%}
    string_agg({{ text }}, chr(10) order by {{ key }})
{%- endmacro %}

{#
    A column as a text that gives back its value to the bit, null for null; a text says how long it is, so that no two rows read
    alike. data_type: as the engine has it, lower case.
#}
{% macro exact_text(column, data_type) -%}
    {{ return(adapter.dispatch('exact_text', 'nightbook')(column, data_type)) }}
{%- endmacro %}

{% macro default__exact_text(column, data_type) -%}
    {%- if data_type in ('double', 'float', 'real', 'double precision') -%} {{ number_text(column) }}
    {%- elif data_type in ('varchar', 'text', 'character varying') -%} cast(length({{ column }}) as varchar) || ':' || {{ column }}
    {%- elif data_type == 'date' -%} {{ date_text(column) }}
    {%- elif data_type.startswith('timestamp') -%} {{ microseconds_text(column) }}
    {%- else -%} cast({{ column }} as varchar)
    {%- endif -%}
{%- endmacro %}

{# The bits of a double as a whole number: its own text takes four times as long. #}
{% macro duckdb__exact_text(column, data_type) -%}
    {%- if data_type in ('double', 'float') -%} cast(cast(cast({{ column }} as double) as bit) as bigint)
    {%- else -%} {{ nightbook.default__exact_text(column, data_type) }}
    {%- endif -%}
{%- endmacro %}

{# Texts of a row as one, a bar between them, nothing for null. texts: expressions. #}
{% macro joined_texts(texts) -%}
    {{ return(adapter.dispatch('joined_texts', 'nightbook')(texts)) }}
{%- endmacro %}

{% macro default__joined_texts(texts) -%}
    coalesce({{ texts | join(", '') || '|' || coalesce(") }}, '')
{%- endmacro %}

{% macro duckdb__joined_texts(texts) -%}
    concat({{ texts | join(", '|', ") }})
{%- endmacro %}
