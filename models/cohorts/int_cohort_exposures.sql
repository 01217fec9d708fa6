-- One row per customer and past date of a training case: all that was owed then. As int_customer_exposures.
{{ config(materialized='table') }}

{{ customer_exposures(
    ref('int_cohort_customers'),
    ref('int_cohort_book'),
    ref('int_cohort_dates')
) }}
