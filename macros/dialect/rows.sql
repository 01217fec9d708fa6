{#
    The rows of a query that a macro runs, as dictionaries. Names are in lower case, because Snowflake gives them in
    upper case.
#}
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
    {{ return(snowflake_dml_explicit_transaction(statements)) }}
{%- endmacro %}

{% macro duckdb__in_one_transaction(statements) -%}
    {{ return(statements) }}
{%- endmacro %}

{#
    Overrides dbt-snowflake's macro, which sends begin, statements and commit one by one. When one of them fails, the
    adapter leaves the transaction open. The next DDL or commit of that session then commits what came before, such as a
    delete without its insert. One block rolls itself back. A text must not end the block, so two dollar signs are
    split.
#}
{% macro snowflake_dml_explicit_transaction(dml) -%}
    {%- set statements = modules.re.sub('\\$(?=\\$)', "$' || '", dml | trim) -%}
    {%- set block %}
execute immediate $$
begin
    begin transaction;
    {{ statements[:-1] if statements.endswith(';') else statements }}
    ;
    commit;
exception
    when other then
        rollback;
        raise;
end;
$$
    {%- endset -%}
    {{ return(block) }}
{%- endmacro %}
