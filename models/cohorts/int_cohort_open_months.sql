-- One row per account and cohort: the month that every window of the case ends with. As int_open_months.
{{ config(materialized='table') }}

{{ open_months(ref('int_cohort_book'), ref('int_cohort_dates')) }}
