{#
    Customers and dates that some feature looks at. book: of account_book. cases: of application_terms.
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
