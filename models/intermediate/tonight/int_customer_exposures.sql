-- One row per customer and as-of date: everything the customer owes this lender on that date, over all open accounts.
{{ config(materialized='table') }}

{{ customer_exposures(
    ref('int_customer_dates'),
    ref('int_account_book'),
    ref('int_as_of_dates')
) }}
