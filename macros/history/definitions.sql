{# A digest of everything that defines a closed month. When it changes, every month is computed again. #}
{% macro closed_months_definition() -%}
    {{ return(local_md5(nightbook._text_of('int_closed_months') ~ closed_months_measures() ~ ledger_measures('payments'))) }}
{%- endmacro %}

{# The same for windows, which are made from closed months. windows: their SQL, as closed_windows gives it. #}
{% macro closed_windows_definition(windows) -%}
    {{ return(local_md5(nightbook._text_of('int_closed_windows') ~ windows ~ closed_months_definition())) }}
{%- endmacro %}

{# The same for numbered bureau enquiries. #}
{% macro bureau_pulls_definition() -%}
    {{ return(local_md5(nightbook._text_of('int_bureau_pulls'))) }}
{%- endmacro %}

{# The SQL of a model; empty in a unit test, which has no graph. #}
{% macro _text_of(model) -%}
    {{ return(graph.nodes['model.nightbook.' ~ model].raw_code if execute and graph.nodes else '') }}
{%- endmacro %}

{# The measures of int_closed_months. Needs its rows as `months`, and the first month of the ledger as `ledger_feed`. #}
{% macro closed_months_measures() -%}
    {{ month_measures('months', 'months.previous_', 'months', 'months.month_start >= ledger_feed.month_start') }}
{%- endmacro %}
