{# The rows of a query that is asked while dbt runs, as dictionaries; Snowflake's names of columns come in upper case. #}
{% macro rows_of(query) -%}
    {%- set answer, rows = run_query(query), [] -%}
    {%- set names = answer.column_names | map('lower') | list -%}
    {%- for row in answer.rows -%}
        {%- do rows.append(dict(zip(names, row.values()))) -%}
    {%- endfor -%}
    {{ return(rows) }}
{%- endmacro %}

{# Statements that take effect together or not at all. #}
{% macro in_one_transaction(statements) -%}
    {{ return(adapter.dispatch('in_one_transaction', 'nightbook')(statements)) }}
{%- endmacro %}

{% macro default__in_one_transaction(statements) -%}
    {%- set dml = statements | trim -%}
    {{ return(snowflake_dml_explicit_transaction(dml[:-1] if dml.endswith(';') else dml)) }}
{%- endmacro %}

{% macro duckdb__in_one_transaction(statements) -%}
    {{ return(statements) }}
{%- endmacro %}
