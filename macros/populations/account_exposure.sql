{#
    Features of the account's customer.
    book: made by account_book.
    exposures: made by customer_exposures.
#}
{% macro account_exposure(book, exposures) %}
with

book as (

    select *
    from {{ book }}
    where {{ in_turn('account_block') }}

),

exposures as (

    select * from {{ exposures }}

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
{% endmacro %}
