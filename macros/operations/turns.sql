{#
    A wide relation of a large book is written in turns, some hundred thousand accounts each, every turn a statement of its
    own: within one statement the engine keeps the hash tables of all turns until the last one is done. Which accounts have
    their turn is said by two variables of the session, from block 0 to 63 where nobody has set them.
#}

{# Condition that a row belongs to an account that has its turn; true outside of turns, and on engines that take none. #}
{% macro in_turn(account_block) -%}
    {{ return(adapter.dispatch('in_turn', 'nightbook')(account_block)) }}
{%- endmacro %}

{% macro default__in_turn(account_block) -%}
    true
{%- endmacro %}

{% macro duckdb__in_turn(account_block) -%}
    {{ account_block }} between coalesce(getvariable('first_block'), 0) and coalesce(getvariable('last_block'), 63)
{%- endmacro %}

{# A statement over rows that are in_turn, for all accounts of the book: once, or turn by turn. #}
{% macro in_turns(statement, accounts_at_a_time) -%}
    {{ return(adapter.dispatch('in_turns', 'nightbook')(statement, accounts_at_a_time)) }}
{%- endmacro %}

{% macro default__in_turns(statement, accounts_at_a_time) -%}
    {{ statement }};
{%- endmacro %}

{% macro duckdb__in_turns(statement, accounts_at_a_time) -%}
    {%- set counted = run_query('select count(*) from ' ~ ref(config.get('turns_over') or 'int_account_book')) -%}
    {%- set accounts = counted.columns[0].values()[0] if execute else 0 -%}
    {%- set turns = [1, [64, 1 + (accounts // accounts_at_a_time) | int] | min] | max -%}
    {%- for turn in range(turns) %}
    set variable first_block = {{ 64 * turn // turns }};
    set variable last_block = {{ 64 * (turn + 1) // turns - 1 }};
    {{ statement }};
    {%- endfor %}
    reset variable first_block;
    reset variable last_block;
{%- endmacro %}
