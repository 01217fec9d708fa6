-- One row per customer and date of a training case: what the customer owed this lender then. The same SQL as
-- int_customer_exposures.
{{ config(materialized='table') }}

{{ customer_exposures(
    ref('int_cohort_customers'),
    ref('int_cohort_book'),
    ref('int_cohort_dates')
) }}
