{#
    A wide relation of a large book is written in turns, a part of the accounts at a time. Each turn is a statement of
    its own, because the engine keeps all hash tables of a statement until its end. Two session variables say which
    blocks have their turn. Unset, they mean blocks 0 to 63, which are all accounts.
#}

{# Condition that a row's account has its turn; true outside of turns, and on engines that need none. #}
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
