{#
    Features of the customer's bureau file, for accounts.
    book: made by account_book.
    bureau_files: made by the macro of that name.
#}
{% macro account_bureau(book, bureau_files) %}
with

book as (

    select * from {{ book }}

),

bureau_files as (

    select * from {{ bureau_files }}

),

-- One row per customer and as-of date.
customer_files as (

    select
        customer_id,
        as_of_date,
        {{ bureau_features() }}
    from bureau_files
    group by customer_id, as_of_date

),

account_files as (

    select
        book.account_id,
        book.account_block,
        customer_files.* exclude (customer_id)  -- noqa: RF02
    from book
    inner join customer_files
        on
            book.customer_id = customer_files.customer_id
            and book.as_of_date = customer_files.as_of_date

)

select * from account_files
{% endmacro %}
