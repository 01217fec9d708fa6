{#
    What a user gave as text (environment, --vars), as a literal of SQL. An invalid value is refused in one line before
    it reaches SQL.
    name: the variable, for that line.
#}

{# A calendar day, YYYY-MM-DD, of the years 1900 to 2999. #}
{% macro given_date(text, name) -%}
    {%- if not nightbook._is_date(text | string) -%}
        {{ exceptions.raise_compiler_error(
            name ~ " is '" ~ shown_text(text) ~ "', which is not a date: write YYYY-MM-DD, a day of the years 1900 to 2999"
        ) }}
    {%- endif -%}
    {{ return('cast(' ~ text_literal(text) ~ ' as date)') }}
{%- endmacro %}

{# A moment in UTC, YYYY-MM-DD HH:MM:SS, with up to six decimals of a second. #}
{% macro given_timestamp(text, name) -%}
    {%- if not nightbook._is_timestamp(text | string) -%}
        {{ exceptions.raise_compiler_error(
            name ~ " is '" ~ shown_text(text) ~ "', which is not a time: write YYYY-MM-DD HH:MM:SS, UTC, a day of the years 1900 to 2999"
        ) }}
    {%- endif -%}
    {{ return('cast(' ~ text_literal(text) ~ ' as timestamp)') }}
{%- endmacro %}

{# True for a text that is a calendar day. #}
{% macro _is_date(text) -%}
    {%- set found = modules.re.fullmatch('((?:19|2[0-9])[0-9]{2})-([0-9]{2})-([0-9]{2})', text) -%}
    {%- if not found -%}{{ return(false) }}{%- endif -%}
    {%- set year, month, day = found.groups() | map('int') -%}
    {%- set february = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28 -%}
    {%- set days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] -%}
    {{ return(1 <= month <= 12 and 1 <= day <= days[month - 1]) }}
{%- endmacro %}

{# True for a text that is a calendar day and a time of day. #}
{% macro _is_timestamp(text) -%}
    {%- set day, _, time = text.partition(' ') -%}
    {%- set found = modules.re.fullmatch('([01][0-9]|2[0-3])(:[0-5][0-9]){2}([.][0-9]{1,6})?', time) -%}
    {{ return(nightbook._is_date(day) and found is not none) }}
{%- endmacro %}

{#
    A text for a message of dbt, in one line. Control characters and other invisible ones become escapes, because dbt
    writes to a terminal whatever it gets. A long text is cut.
#}
{% macro shown_text(text) -%}
    {%- set shown = namespace(text=(text | string)[:1000]) -%}
    {%- for one in shown.text | list | unique if not one.isprintable() -%}
        {%- set shown.text = shown.text.replace(one, one.encode('unicode_escape').decode()) -%}
    {%- endfor -%}
    {{ return(shown.text) }}
{%- endmacro %}
