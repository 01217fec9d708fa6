-- One row per account and closed calendar month: its measures, computed once and kept. A month is closed when a later
-- month has a snapshot. A later correction recomputes all months of its account. A change of this file or of a
-- measure's definition recomputes all accounts.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='sync_all_columns',
    rows_at_a_time=var('rows_at_a_time')
) }}

{%- set servicing, payments = ref('stg_loan_servicing_versions'), ref('stg_payment_versions') -%}
{%- set changes = changes_of('int_closed_months') -%}
{%- set is_whole = changes.is_whole -%}
{#- One part per new month, so that the history of a large book can be written some months at a time. The last part
    holds the stale accounts with all their months. -#}
{%- set parts = [] -%}
{%- for month in changes.new_months -%}
    {%- set first_day = 'cast(' ~ text_literal(month) ~ ' as date)' -%}
    {%- do parts.append({'name': 'month_' ~ loop.index, 'month': first_day, 'before': add_months(first_day, -1)}) -%}
{%- endfor -%}
{%- if not is_whole or not parts -%}{%- do parts.append({'name': 'stale', 'month': none, 'before': none}) -%}{%- endif %}

with

run as (

    select * from {{ ref('int_run') }}

),

snapshots as (

    select {{ month_start('snapshot_date') }} as month_start
    from {{ ref('stg_snapshots') }}

),

terms as (

    select * from {{ ref('int_account_terms') }}

),

stale_accounts as (

    select * from {{ ref('int_stale_accounts') }}

),

-- One row: the first month of the payment ledger. Before it, or without a ledger, a month without payments is not a
-- missed payment.
ledger_feed as (

    select min(landings.month_start) as month_start
    from {{ ref('int_landings') }} as landings
    inner join run on landings.run_id = run.run_id
    where landings.relation_name = 'payments'

),

settled_payments as (

    select * from {{ ref('int_settled_payments') }}

),

-- noqa: disable=LT02,LT08
{%- if not parts[-1].month %}
stale_snapshots as (

    select
        servicing.*,
        {{ month_start('servicing.snapshot_date') }} as month_start
    from {{ servicing }} as servicing
    inner join stale_accounts on servicing.account_id = stale_accounts.account_id

),

{% endif -%}
{% for part in parts %}
-- A month with several snapshots counts once, by the last of them. A snapshot counts by its last correction.
{%- for when in ('month', 'before') if part[when] or when == 'month' %}
{#- Not a CTE: the engine would materialise it, because it is read more than once. -#}
{%- set rows_of_month %}
(
        select
            *,
            {{ month_start('snapshot_date') }} as month_start
        from {{ servicing }}
        where
            snapshot_date >= {{ part[when] }}
            and snapshot_date < {{ add_months(part[when], 1) }}
            {%- if not is_whole %}
            and account_id not in (select stale_accounts.account_id from stale_accounts)
            {%- endif %}
    ) as month_rows
{%- endset %}
{{ part.name }}_{{ when }} as (

    {{ first_of_grain(
        rows_of_month | trim if part.month else 'stale_snapshots',
        ['account_id', 'month_start'],
        'snapshot_date desc, _loaded_at desc, _load_id desc'
    ) }}

),
{% endfor %}
{{ part.name }}_ledger as (

    select
        latest_payments.account_id,
        {{ month_start('latest_payments.paid_on') }} as month_start,
        {{ ledger_measures('latest_payments') }}
    from (
        select * from settled_payments
        {%- if is_whole and part.month %}

        union all

        select * from {{ payments }}
        where
            {{ engine_hash('payment_id') }} not in (
                select {{ engine_hash('payment_id') }} from settled_payments
            )
        {%- endif %}
    ) as latest_payments
    {%- if part.month %}
    where
        latest_payments.paid_on >= {{ part.month }}
        and latest_payments.paid_on < {{ add_months(part.month, 1) }}
    {%- endif %}
    group by latest_payments.account_id, {{ month_start('latest_payments.paid_on') }}

),
{% endfor %}
all_parts as (
    {% for part in parts %}
    select
        months.account_id,
        {{ part.month or 'months.month_start' }} as month_start,
        {{ account_block('months.account_id') }} as account_block,
        months.balance,
        months.credit_limit,
        months.scheduled_payment,
        months.amount_paid,
        months.days_past_due,
        months.account_status,
        months_before.balance as previous_balance,
        months_before.days_past_due as previous_days_past_due,
        ledger.payment_count,
        ledger.returned_count,
        ledger.returned_amount,
        ledger.good_count,
        ledger.last_good_on,
        {{ "'history'" if is_whole else "'month'" if part.month else "'account'" }} as kept_for
    from {{ part.name }}_month as months
    left join {{ part.name }}_{{ 'before' if part.month else 'month' }} as months_before
        on
            months.account_id = months_before.account_id
            and months.month_start = {{ add_months('months_before.month_start', 1) }}
    left join {{ part.name }}_ledger as ledger
        on
            months.account_id = ledger.account_id
            and months.month_start = ledger.month_start
    where months.month_start < (select max(snapshots.month_start) from snapshots)
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- noqa: enable=LT02,LT08
-- Where servicing has no limit, the limit comes from the terms known at the end of the month.
months as (

    select
        all_parts.* exclude (credit_limit),  -- noqa: RF02
        coalesce(all_parts.credit_limit, terms.original_limit) as credit_limit,
        terms.opened_on
    from all_parts
    left join terms
        on
            all_parts.account_id = terms.account_id
            and {{ month_end('all_parts.month_start') }} >= terms.known_from
            and {{ month_end('all_parts.month_start') }} < terms.known_before

)

select
    months.account_id,
    months.month_start,
    months.account_block,
    {{ closed_months_measures() }},
    '{{ closed_months_definition() }}' as definition,
    run.run_id as kept_by,
    months.kept_for
from months
cross join run
cross join ledger_feed
-- Sorted by month and block, so that a query for some of them can skip all other rows.
order by months.month_start, months.account_block
