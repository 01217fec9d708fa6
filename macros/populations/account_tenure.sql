{#
    Features of the account's age, product and terms.
    book: made by account_book.
#}
{% macro account_tenure(book) %}
with

book as (

    select *
    from {{ book }}
    where {{ in_turn('account_block') }}

),

tenure as (

    select
        book.account_id,
        book.as_of_date,
        cast({{ months_between('book.opened_on', 'book.as_of_date') }} as integer) as months_on_book,
        {{ flag("book.product = 'credit_line'") }} as is_credit_line,
        cast(book.apr as double) as apr,
        cast(book.term_months as integer) as term_months,
        cast(book.term_months - {{ months_between('book.opened_on', 'book.as_of_date') }} as integer) as remaining_term_months,
        cast(
            {{ ratio(months_between('book.opened_on', 'book.as_of_date'), 'book.term_months') }} as double
        ) as share_of_term_elapsed,
        cast(book.original_limit as double) as original_limit,
        cast(book.scheduled_payment as double) as scheduled_payment,
        cast({{ ratio('book.scheduled_payment', 'book.balance') }} as double) as scheduled_to_balance
    from book

)

select * from tenure
{% endmacro %}
