{#
    The month that every window ends with, for each account and date.
    book: made by account_book.
    dates: made by date_lags.
#}
{% macro open_months(book, dates) %}
{%- set payments = ref('stg_payment_versions') -%}
{%- set first_day = value_of('select min(' ~ month_start('as_of_date') ~ ') from ' ~ dates, 'date', '0001-01-01') -%}
{#- Only the version loaded last counts, so versions loaded before the first one of this period do not matter. -#}
{%- set first_loaded_at = value_of(
    'select min(_loaded_at) from ' ~ payments ~ ' where paid_on >= ' ~ first_day, 'timestamp', '0001-01-01'
) %}

with

book as (

    select
        *,
        {{ month_start('as_of_date') }} as month_start
    from {{ book }}

),

closed_months as (

    select * from {{ ref('int_closed_months') }}

),

-- One row: the first month of the payment ledger.
ledger_feed as (

    select min(landings.month_start) as month_start
    from {{ ref('int_landings') }} as landings
    inner join {{ ref('int_run') }} as run on landings.run_id = run.run_id
    where landings.relation_name = 'payments'

),

-- All versions, because a correction may move a payment to another month or to another account.
payments_of_period as (

    select *
    from {{ payments }}
    where
        _loaded_at >= {{ first_loaded_at }}
        and payment_id in (
            select payments.payment_id
            from {{ payments }} as payments
            inner join {{ dates }} as dates on {{ month_start('payments.paid_on') }} = {{ month_start('dates.as_of_date') }}
            where payments.paid_on <= dates.as_of_date and payments.paid_on >= {{ first_day }}
        )

),

latest_payments as (

    {{ first_of_grain('payments_of_period', ['payment_id']) }}

),

ledger as (

    select
        book.account_id,
        book.as_of_date,
        {{ ledger_measures('latest_payments') }}
    from latest_payments
    inner join book
        on
            latest_payments.account_id = book.account_id
            and {{ month_start('latest_payments.paid_on') }} = book.month_start
            and latest_payments.paid_on <= book.as_of_date
    group by book.account_id, book.as_of_date

),

months as (

    select
        book.account_id,
        book.as_of_date,
        book.month_start,
        book.account_block,
        dates.month_lag,
        -- An account in its first month has no whole month. Its first month is short even on the last night of that
        -- month.
        months_before.account_id is not null as has_month_before,
        {{ month_measures('book', 'months_before.', 'ledger', 'book.month_start >= ledger_feed.month_start') }},
        {{ measures_before('months_before') }}
    from book
    inner join {{ dates }} as dates on book.as_of_date = dates.as_of_date
    cross join ledger_feed
    left join closed_months as months_before
        on
            book.account_id = months_before.account_id
            and {{ add_months('book.month_start', -1) }} = months_before.month_start
    left join ledger
        on
            book.account_id = ledger.account_id
            and book.as_of_date = ledger.as_of_date

)

select
    account_id,
    as_of_date,
    month_start,
    account_block,
    month_lag,
    days_past_due as days_past_due_now,
    {{ last_month_measures('month_lag = 1', 'has_month_before') }}
from months
{% endmacro %}
