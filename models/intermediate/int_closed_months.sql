-- One row per account and closed calendar month: its measures, computed once and kept. A month is closed when a later
-- one has a snapshot; a correction that lands afterwards has the account's months computed again, and so has a change of
-- this file or of a measure's definition every account's.
{{ config(materialized='incremental', incremental_strategy='replace_stale', on_schema_change='sync_all_columns') }}

{%- set servicing, payments = ref('stg_loan_servicing_versions'), ref('stg_payment_versions') -%}
{%- set measures = month_measures('months', 'months.previous_', 'ledger', 'months.month_start >= ledger_feed.month_start') -%}
{%- set ledger = ledger_measures('latest_payments', 'terms') -%}
{%- set definition = local_md5(model.raw_code ~ measures ~ ledger) -%}
{%- set news = kept_news('int_closed_months', {
    'loan_servicing': (servicing, month_start('snapshot_date')),
    'payments': (payments, month_start('paid_on')),
    'accounts': (ref('stg_account_versions'), 'cast(null as date)'),
}, definition) -%}
{%- set is_whole = news.is_void or not is_incremental() -%}
{%- set new_months = closed_months() | reject('in', news.months) | list %}

{{ '/* the whole history */' if is_whole }}
with

run as (

    select * from {{ ref('int_run') }}

),

snapshots as (

    select
        snapshot_date,
        {{ month_start('snapshot_date') }} as month_start
    from {{ ref('stg_snapshots') }}

),

terms as (

    select * from {{ ref('int_account_terms') }}

),

stale_accounts as (

    select * from {{ ref('int_stale_accounts') }}

),

-- One row: where the ledger begins. Before it, and for a lender without one, silence is not a missed payment.
ledger_feed as (

    select min(landings.month_start) as month_start
    from {{ ref('int_landings') }} as landings
    inner join run on landings.run_id = run.run_id
    where landings.relation_name = 'payments'

),

in_question as (
    {% if is_whole %}
        select * from {{ servicing }}
    {% else %}
    {%- if new_months %}
    -- The month before tells what was paid down and who got worse.
    select *
    from {{ servicing }}
    where
        snapshot_date in (
            select snapshots.snapshot_date
            from snapshots
            where
                snapshots.month_start in {{ date_list(new_months) }}
                or {{ add_months('snapshots.month_start', 1) }} in {{ date_list(new_months) }}
        )
        and account_id not in (select account_id from stale_accounts)

    union all
    {% endif %}
    select servicing.*
    from {{ servicing }} as servicing
    inner join stale_accounts on servicing.account_id = stale_accounts.account_id
    {% endif %}
),

-- A month with several snapshots counts once, by its last; a snapshot with corrections by the last of them.
last_snapshots as (

    select
        *,
        {{ month_start('snapshot_date') }} as month_start
    from in_question
    qualify
        row_number() over (
            partition by account_id, {{ month_start('snapshot_date') }}
            order by snapshot_date desc, _loaded_at desc, _load_id desc
        ) = 1

),

with_previous as (

    select
        account_id,
        month_start,
        balance,
        credit_limit,
        scheduled_payment,
        amount_paid,
        days_past_due,
        account_status,
        case
            when lag(month_start) over account_history = {{ add_months('month_start', -1) }}
                then lag(balance) over account_history
        end as previous_balance,
        case
            when lag(month_start) over account_history = {{ add_months('month_start', -1) }}
                then lag(days_past_due) over account_history
        end as previous_days_past_due
    from last_snapshots
    window account_history as (partition by account_id order by month_start)

),

-- Only what is new or stale is written; the limit is that of the terms known at the end of the month where servicing
-- has none.
months as (

    select
        with_previous.* exclude (credit_limit),  -- noqa: RF02
        coalesce(with_previous.credit_limit, terms.original_limit) as credit_limit,
        stale_accounts.account_id is not null as is_stale
    from with_previous
    left join stale_accounts on with_previous.account_id = stale_accounts.account_id
    left join terms
        on
            with_previous.account_id = terms.account_id
            and {{ month_end('with_previous.month_start') }} >= terms.known_from
            and {{ month_end('with_previous.month_start') }} < terms.known_before
    where
        with_previous.month_start < (select max(snapshots.month_start) from snapshots)
        and (
            {{ is_whole | string | lower }}
            or stale_accounts.account_id is not null
            or with_previous.month_start in {{ date_list(new_months) }}
        )

),

-- With every version of them, wherever a correction may have put the payment.
payments_in_question as (

    select
        *,
        {{ month_start('paid_on') }} as month_start
    from {{ payments }}
    {%- if not is_whole %}
    where
        payment_id in (
            select payments.payment_id
            from {{ payments }} as payments
            inner join stale_accounts on payments.account_id = stale_accounts.account_id
            {%- if new_months %}

            union all

            select payment_id
            from {{ payments }}
            where {{ month_start('paid_on') }} in {{ date_list(new_months) }}
            {%- endif %}
        )
    {%- endif %}

),

latest_payments as (

    select *
    from payments_in_question
    qualify {{ is_latest_version(['payment_id']) }}

),

ledger as (

    select
        latest_payments.account_id,
        latest_payments.month_start,
        {{ ledger }}
    from latest_payments
    left join terms
        on
            latest_payments.account_id = terms.account_id
            and {{ month_end('latest_payments.month_start') }} >= terms.known_from
            and {{ month_end('latest_payments.month_start') }} < terms.known_before
    group by latest_payments.account_id, latest_payments.month_start

)

select
    months.account_id,
    months.month_start,
    {{ account_block('months.account_id') }} as account_block,
    {{ measures }},
    '{{ definition }}' as definition,
    run.run_id as kept_by,
    {{ "'history'" if is_whole else "case when months.is_stale then 'account' else 'month' end" }} as kept_for
from months
cross join run
cross join ledger_feed
left join ledger
    on
        months.account_id = ledger.account_id
        and months.month_start = ledger.month_start
-- Months and blocks lie together on disk, so that whoever asks for one reads no other.
order by months.month_start, account_block
