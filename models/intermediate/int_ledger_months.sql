-- One row per account, as-of date and month: what the ledger says of that month up to the as-of date.
with

book as (

    select * from {{ ref('int_account_book') }}

),

payments as (

    select * from {{ ref('stg_payments') }}

),

-- One row per payment and as-of date that can see it.
seen as (

    select
        book.account_id,
        book.as_of_date,
        {{ months_between('payments.paid_on', 'book.as_of_date') }} as months_ago,
        payments.amount,
        coalesce(payments.is_returned, false) as is_returned,
        {{ days_between(due_date('book.opened_on', 'payments.paid_on'), 'payments.paid_on') }} as days_after_due
    from payments
    inner join book
        on
            payments.account_id = book.account_id
            and payments.paid_on <= book.as_of_date
    where {{ months_between('payments.paid_on', 'book.as_of_date') }} <= 24

),

months as (

    select
        account_id,
        as_of_date,
        months_ago,
        cast(count(*) as integer) as payment_count,
        cast(sum(case when is_returned then 1 else 0 end) as integer) as returned_count,
        sum(case when is_returned then amount else 0 end) as returned_amount,
        max(case when not is_returned then amount end) as largest_payment,
        cast(sum(case when is_returned then 0 else 1 end) as integer) as good_count,
        cast({{ at_least('max(case when not is_returned then days_after_due end)', 0) }} as integer) as days_late
    from seen
    group by account_id, as_of_date, months_ago

)

select * from months
