{# A date that was given from outside, as a text: YYYY-MM-DD, or nothing. name: of the variable. #}
{% macro given_date(text, name) -%}
    {%- if text and not modules.re.fullmatch('[12][0-9]{3}-[0-9]{2}-[0-9]{2}', text) -%}
        {{ exceptions.raise_compiler_error(name ~ ' is no date: write YYYY-MM-DD') }}
    {%- endif -%}
    {{ return(text) }}
{%- endmacro %}

{# A time that was given from outside, as a text: YYYY-MM-DD HH:MM:SS, UTC, with or without microseconds; or nothing. #}
{% macro given_timestamp(text, name) -%}
    {%- if text and not modules.re.fullmatch('[12][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?', text) -%}
        {{ exceptions.raise_compiler_error(name ~ ' is no time: write YYYY-MM-DD HH:MM:SS, UTC') }}
    {%- endif -%}
    {{ return(text) }}
{%- endmacro %}
