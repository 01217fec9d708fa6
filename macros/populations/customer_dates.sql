{#
    Customers and dates that features are computed for.
    book: made by account_book.
    cases: made by application_terms.
#}
{% macro customer_dates(book, cases) %}
with

book as (

    select * from {{ book }}

),

cases as (

    select * from {{ cases }}

),

customer_dates as (

    select
        customer_id,
        as_of_date
    from book

    union

    select
        customer_id,
        as_of_date
    from cases

)

select * from customer_dates
{% endmacro %}
