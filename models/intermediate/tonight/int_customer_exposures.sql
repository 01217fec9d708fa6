-- One row per customer and as-of date: what the customer owes this lender over all open accounts.
{{ config(materialized='table') }}

{{ customer_exposures(
    ref('int_customer_dates'),
    ref('int_account_book'),
    ref('int_as_of_dates')
) }}
