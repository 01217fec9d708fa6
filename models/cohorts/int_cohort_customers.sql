-- One row per customer and past date that some training case looks at. As int_customer_dates.
{{ config(materialized='table') }}

{{ customer_dates(ref('int_cohort_book'), ref('int_cohort_applications')) }}
