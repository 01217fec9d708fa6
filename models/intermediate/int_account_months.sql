-- One row per account, as-of date and month back from it (0 is the as-of month): the panel that every window reads.
{{ config(materialized='table') }}

{%- set in_ledger = 'with_previous.months_ago <= ' ~ months_between('ledger_feed.first_paid_on', 'with_previous.as_of_date') %}

with

book as (

    select * from {{ ref('int_account_book') }}

),

servicing as (

    select * from {{ ref('stg_loan_servicing') }}

),

ledger as (

    select * from {{ ref('int_ledger_months') }}

),

-- One row: where the ledger begins. Before it, and for a lender without one, silence is not a missed payment.
ledger_feed as (

    select min(paid_on) as first_paid_on from {{ ref('stg_payments') }}

),

-- A month with several snapshots counts once, by its last. One month more than the longest window, for changes.
months as (

    select
        book.account_id,
        book.as_of_date,
        cast({{ months_between('servicing.snapshot_date', 'book.as_of_date') }} as integer) as months_ago,
        servicing.balance,
        coalesce(servicing.credit_limit, book.original_limit) as credit_limit,
        servicing.scheduled_payment,
        servicing.amount_paid,
        servicing.days_past_due,
        servicing.account_status
    from servicing
    inner join book
        on
            servicing.account_id = book.account_id
            and servicing.snapshot_date <= book.as_of_date
    where {{ months_between('servicing.snapshot_date', 'book.as_of_date') }} <= 24
    qualify
        row_number() over (
            partition by
                book.account_id,
                book.as_of_date,
                {{ months_between('servicing.snapshot_date', 'book.as_of_date') }}
            order by servicing.snapshot_date desc
        ) = 1

),

with_previous as (

    select
        *,
        case
            when lead(months_ago) over account_history = months_ago + 1 then lead(balance) over account_history
        end as previous_balance,
        case
            when lead(months_ago) over account_history = months_ago + 1 then lead(days_past_due) over account_history
        end as previous_days_past_due
    from months
    window account_history as (partition by account_id, as_of_date order by months_ago)

),

panel as (

    select
        with_previous.account_id,
        with_previous.as_of_date,
        with_previous.months_ago,

        with_previous.days_past_due,
        {{ flag('with_previous.days_past_due > 0') }} as is_late,
        {{ flag('with_previous.days_past_due >= 30') }} as is_30_dpd,
        {{ flag('with_previous.days_past_due >= 60') }} as is_60_dpd,
        {{ flag('with_previous.days_past_due > with_previous.previous_days_past_due') }} as is_worse,
        {{ flag('with_previous.days_past_due < with_previous.previous_days_past_due') }} as is_better,

        with_previous.balance,
        with_previous.credit_limit,
        {{ ratio('with_previous.balance', 'with_previous.credit_limit') }} as utilization,
        {{ flag('with_previous.balance > with_previous.credit_limit') }} as is_over_limit,
        with_previous.previous_balance - with_previous.balance as paydown,
        {{ ratio('with_previous.previous_balance - with_previous.balance', 'with_previous.previous_balance') }}
            as paydown_ratio,
        {{ flag("with_previous.account_status = 'inactive'") }} as is_inactive,
        {{ flag("with_previous.account_status = 'paid_in_full'") }} as is_paid_in_full,

        with_previous.scheduled_payment,
        with_previous.amount_paid,
        {{ ratio('with_previous.amount_paid', 'with_previous.scheduled_payment') }} as payment_ratio,
        {{ ratio('with_previous.amount_paid', 'with_previous.previous_balance') }} as paid_to_balance,
        {{ ratio('with_previous.amount_paid', 'with_previous.credit_limit') }} as paid_to_limit,
        {{ at_least('with_previous.scheduled_payment - with_previous.amount_paid', 0) }} as shortfall,
        {{ flag('with_previous.amount_paid < with_previous.scheduled_payment') }} as is_short_paid,

        case when {{ in_ledger }} then coalesce(ledger.payment_count, 0) end as payment_count,
        case when {{ in_ledger }} then coalesce(ledger.returned_count, 0) end as returned_count,
        case when {{ in_ledger }} then coalesce(ledger.returned_amount, 0) end as returned_amount,
        ledger.largest_payment,
        ledger.days_late,
        {{ flag('ledger.days_late > 5') }} as is_paid_late,
        case when {{ in_ledger }} then {{ flag('coalesce(ledger.good_count, 0) = 0') }} end as is_unpaid
    from with_previous
    cross join ledger_feed
    left join ledger
        on
            with_previous.account_id = ledger.account_id
            and with_previous.as_of_date = ledger.as_of_date
            and with_previous.months_ago = ledger.months_ago

)

select * from panel
