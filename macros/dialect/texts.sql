{#
    Columns of a row as one JSON text, names in the given order, null as null. As everywhere in this project, columns
    named ..._at are times and columns named ..._date are dates.
#}
{% macro json_text(columns) -%}
    {{ return(adapter.dispatch('json_text', 'nightbook')(columns)) }}
{%- endmacro %}

{# Built by hand, because a Snowflake object has no order and writes times by the session's settings. #}
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

{# A time or a date as a text that does not depend on the session; any other column as it is. #}
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

{# A timestamp as a text that converts back unchanged. #}
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
    A double as text, whole numbers with `.0`. On Snowflake it has up to twelve places, because Snowflake's own text of
    a double omits digits and zeros.
#}
{% macro number_text(number) -%}
    {{ return(adapter.dispatch('number_text', 'nightbook')(number)) }}
{%- endmacro %}

{% macro default__number_text(number) -%}
    {#- NaN and infinity cannot be cast, not even in a branch that they never reach. -#}
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

{# A text known when dbt runs, as a literal. Every text from outside this project enters SQL through this macro. #}
{% macro text_literal(text) -%}
    {{ return(adapter.dispatch('text_literal', 'nightbook')(text | string)) }}
{%- endmacro %}

{# Texts known when dbt runs, as a list for `in`. Without texts, the list holds one empty text. #}
{% macro text_list(texts) -%}
    {%- set written = [] -%}
    {%- for text in texts -%}{%- do written.append(text_literal(text)) -%}{%- endfor -%}
    {{ return('(' ~ (written | join(', ') or "''") ~ ')') }}
{%- endmacro %}

{# On Snowflake a backslash changes the meaning of the next character. #}
{% macro default__text_literal(text) -%}
    {{ return("'" ~ (text | replace('\\', '\\\\') | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{% macro duckdb__text_literal(text) -%}
    {{ return("'" ~ (text | replace("'", "''")) ~ "'") }}
{%- endmacro %}

{#
    Columns of a row as one text to hash: values in the given order, with bars between them, nothing for null. Times and
    dates are recognised by their names, as in json_text.
    doubles: the columns that are doubles.
#}
{% macro row_text(columns, doubles=[]) -%}
    {%- for column in columns -%}
    coalesce({{ number_text(column) if column in doubles else 'cast(' ~ nightbook._settled_text(column) ~ ' as varchar)' }}, '')
    {{- " || '|' || " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    An aggregate: the texts of many rows in the order of their key, one per line; null where no row has a text.
    text, key: expressions.
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
    A column as a text that identifies its exact value, null for null. A text is preceded by its length, so that two
    different rows never give the same text.
    data_type: as the engine names it, in lower case.
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

{# The bits of a double as a whole number, because the double's own text takes four times as long. #}
{% macro duckdb__exact_text(column, data_type) -%}
    {%- if data_type in ('double', 'float') -%} cast(cast(cast({{ column }} as double) as bit) as bigint)
    {%- else -%} {{ nightbook.default__exact_text(column, data_type) }}
    {%- endif -%}
{%- endmacro %}

{# The texts of a row as one, with bars between them, nothing for null. texts: expressions. #}
{% macro joined_texts(texts) -%}
    {{ return(adapter.dispatch('joined_texts', 'nightbook')(texts)) }}
{%- endmacro %}

{% macro default__joined_texts(texts) -%}
    coalesce({{ texts | join(", '') || '|' || coalesce(") }}, '')
{%- endmacro %}

{% macro duckdb__joined_texts(texts) -%}
    concat({{ texts | join(", '|', ") }})
{%- endmacro %}
