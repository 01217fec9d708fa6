-- One row per account of the book: what its closed months add to each window that ends with the as-of month. It is
-- computed once for all nights of a month, and again for accounts whose closed months were computed again.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='sync_all_columns',
    accounts_at_a_time=var('windows_at_a_time')
) }}

{%- set closed_months, book = ref('int_closed_months'), ref('int_account_book') -%}
{%- set parts = window_parts(windowed_features()) -%}
{%- set windows = closed_windows(parts) -%}
{%- set changes = changes_of('int_closed_windows') -%}
{%- set month = 'cast(' ~ text_literal(changes.month) ~ ' as date)' %}

with

run as (

    select * from {{ ref('int_run') }}

),

-- noqa: disable=LT02
{% if changes.is_whole -%}
accounts as (

    select account_id
    from {{ book }}
    where {{ in_turn('account_block') }}

),
{%- else -%}
new_in_book as (

    select account_id
    from {{ book }}
    where {{ 'account_id not in (select kept.account_id from ' ~ this ~ ' as kept)' }}

),

-- A run that computes an account again writes all months of the account. So kept_by of these runs finds all of them.
months_needed as (

    select *
    from {{ closed_months }}
    where kept_by in {{ text_list(changes.runs) }}

    union all

    select *
    from {{ closed_months }}
    where
        kept_by not in {{ text_list(changes.runs) }}
        and account_id in (select new_in_book.account_id from new_in_book)

),

accounts as (

    select account_id from months_needed

    union

    select account_id from new_in_book

),
{%- endif %}

{% for ago in range(1, 25) -%}
month_{{ ago }} as (

    select *
    from {{ closed_months if changes.is_whole else 'months_needed' }}
    where
        month_start = {{ add_months(month, -ago) }}
        {{ 'and ' ~ in_turn('account_block') if changes.is_whole }}

),

{% endfor -%}
months_as_columns as (

    select
        accounts.account_id
        {%- for measure in parts | map(attribute='measure') | unique -%}
            {%- for ago in range(1, 25) %},
        month_{{ ago }}.{{ measure }} as {{ measure }}_{{ ago }}
            {%- endfor -%}
        {%- endfor %}
    from accounts
    {%- for ago in range(1, 25) %}
    left join month_{{ ago }} on accounts.account_id = month_{{ ago }}.account_id
    {%- endfor %}

)

-- noqa: enable=LT02
select
    months_as_columns.account_id,
    {{ account_block('months_as_columns.account_id') }} as account_block,
    {{ month }} as month_start,
    {{ windows }},
    '{{ closed_windows_definition(windows) }}' as definition,
    run.run_id as kept_by,
    {{ "'history'" if changes.is_whole else "'account'" }} as kept_for
from months_as_columns
cross join run
