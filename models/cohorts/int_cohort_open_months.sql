-- One row per account and cohort: the month that every window of the case ends with. The same SQL as int_open_months.
{{ config(materialized='table') }}

{{ open_months(ref('int_cohort_book'), ref('int_cohort_dates')) }}
