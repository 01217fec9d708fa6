-- One row per customer and date that some feature looks at: the key of every customer-level rollup.
{{ config(materialized='table') }}

with

book as (

    select * from {{ ref('int_account_book') }}

),

cases as (

    select * from {{ ref('int_application_cases') }}

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
