-- One row per account and as-of date: the customer behind it, over all of the customer's accounts here.
with

book as (

    select *
    from {{ ref('int_account_book') }}
    where {{ in_turn('account_block') }}

),

exposures as (

    select * from {{ ref('int_customer_exposures') }}

),

exposure as (

    select
        book.account_id,
        book.as_of_date,
        {{ exposure_features('book.as_of_date') }},
        cast({{ ratio('book.balance', 'exposures.balance') }} as double) as share_of_customer_balance,
        exposures.worst_days_past_due - book.days_past_due as customer_worst_dpd_elsewhere
    from book
    left join exposures
        on
            book.customer_id = exposures.customer_id
            and book.as_of_date = exposures.as_of_date

)

select * from exposure
