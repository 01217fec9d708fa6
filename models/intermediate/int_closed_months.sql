-- One row per account and closed calendar month: its measures, computed once and kept. A month is closed when a later
-- one has a snapshot; a correction that lands afterwards has the account's months computed again, and so has a change of
-- this file or of a measure's definition every account's.
{{ config(materialized='incremental', incremental_strategy='replace_stale', on_schema_change='sync_all_columns') }}

{%- set sources = {
    'loan_servicing': (ref('stg_loan_servicing_versions'), month_start('snapshot_date')),
    'payments': (ref('stg_payment_versions'), month_start('paid_on')),
    'accounts': (ref('stg_account_versions'), 'cast(null as date)'),
} -%}
{%- set measures = month_measures('months', 'months.previous_', 'ledger', 'months.month_start >= ledger_feed.month_start') -%}
{%- set ledger = ledger_measures('latest_payments', 'terms') -%}
{%- set definition = local_md5(model.raw_code ~ measures ~ ledger) %}

with

run as (

    select * from {{ ref('int_run') }}

),

landings as (

    select * from {{ ref('int_landings') }}

),

snapshots as (

    select * from {{ ref('stg_snapshots') }}

),

terms as (

    select * from {{ ref('int_account_terms') }}

),

landed as (

    select landings.*
    from landings
    inner join run on landings.run_id = run.run_id

),

-- One row.
open_month as (

    select {{ month_start('max(snapshot_date)') }} as month_start from snapshots

),

-- One row: where the ledger begins. Before it, and for a lender without one, silence is not a missed payment.
ledger_feed as (

    select min(month_start) as month_start from landed where relation_name = 'payments'

),

{% if is_incremental() %}
-- A ledger that begins elsewhere gives the silence of every account another meaning.
{{ changes_since_kept(
    sources,
    definition,
    void_if="(select min(month_start) from landed_before where relation_name = 'payments')"
    ~ " is distinct from (select month_start from ledger_feed)"
) }},

kept_months as (

    select distinct month_start from {{ this }}

),

changed_payments as (

    select payments.payment_id
    from {{ ref('stg_payment_versions') }} as payments
    inner join changes
        on
            {{ month_start('payments.paid_on') }} = changes.month_start
            and payments._load_id = changes.load_id
            and payments._loaded_at > changes.loaded_after
            and changes.relation_name = 'payments'

),

-- One row per account whose kept months rest on something that has changed.
stale_accounts as (

    select servicing.account_id
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    inner join changes
        on
            {{ month_start('servicing.snapshot_date') }} = changes.month_start
            and servicing._load_id = changes.load_id
            and servicing._loaded_at > changes.loaded_after
            and changes.relation_name = 'loan_servicing'
    inner join history on not history.is_void
    where changes.month_start in (select month_start from kept_months)

    union

    -- A correction may move a payment from a closed month into another one, or to another account.
    select payments.account_id
    from {{ ref('stg_payment_versions') }} as payments
    inner join history on not history.is_void
    where
        payments.payment_id in (select payment_id from changed_payments)
        and {{ month_start('payments.paid_on') }} in (select month_start from kept_months)

    union

    select terms.account_id
    from terms
    inner join changes
        on
            terms.load_id = changes.load_id
            and terms.loaded_at > changes.loaded_after
            and changes.relation_name = 'accounts'
    inner join history on not history.is_void
    where terms.known_from <= (select {{ month_end('max(month_start)') }} from kept_months)

),

{% else %}
history as (

    select true as is_void

),

stale_accounts as (

    select account_id
    from terms
    where false

),

{% endif -%}

-- One row per month that is computed for every account.
new_months as (

    select distinct landed.month_start
    from landed
    inner join open_month on landed.month_start < open_month.month_start
    cross join history
    where
        landed.relation_name = 'loan_servicing'
        {%- if is_incremental() %}
        and (history.is_void or landed.month_start not in (select month_start from kept_months))
        {%- endif %}

),

-- The month before tells what was paid down and who got worse.
new_snapshots as (

    select snapshots.snapshot_date
    from snapshots
    where
        {{ month_start('snapshots.snapshot_date') }} in (
            select month_start from new_months
            union all
            select {{ add_months('month_start', -1) }} as month_start from new_months
        )

),

in_question as (

    select servicing.*
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    inner join new_snapshots on servicing.snapshot_date = new_snapshots.snapshot_date
    left join stale_accounts on servicing.account_id = stale_accounts.account_id
    where stale_accounts.account_id is null

    union all

    select servicing.*
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    inner join stale_accounts on servicing.account_id = stale_accounts.account_id

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
    inner join open_month on with_previous.month_start < open_month.month_start
    left join stale_accounts on with_previous.account_id = stale_accounts.account_id
    left join new_months on with_previous.month_start = new_months.month_start
    left join terms
        on
            with_previous.account_id = terms.account_id
            and {{ month_end('with_previous.month_start') }} >= terms.known_from
            and {{ month_end('with_previous.month_start') }} < terms.known_before
    where stale_accounts.account_id is not null or new_months.month_start is not null

),

payments_in_question as (

    select
        *,
        {{ month_start('paid_on') }} as month_start
    from {{ ref('stg_payment_versions') }}
    {%- if is_incremental() %}
    where
        payment_id in (
            select payments.payment_id
            from {{ ref('stg_payment_versions') }} as payments
            inner join new_months on {{ month_start('payments.paid_on') }} = new_months.month_start

            union all

            select payments.payment_id
            from {{ ref('stg_payment_versions') }} as payments
            inner join stale_accounts on payments.account_id = stale_accounts.account_id
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
    case when history.is_void then 'history' when months.is_stale then 'account' else 'month' end as kept_for
from months
cross join run
cross join history
cross join ledger_feed
left join ledger
    on
        months.account_id = ledger.account_id
        and months.month_start = ledger.month_start
-- Months and blocks lie together on disk, so that whoever asks for one reads no other.
order by months.month_start, account_block
