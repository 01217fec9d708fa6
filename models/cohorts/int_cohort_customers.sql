-- One row per customer and date of a training case. The same SQL as int_customer_dates.
{{ config(materialized='table') }}

{{ customer_dates(ref('int_cohort_book'), ref('int_cohort_applications')) }}
