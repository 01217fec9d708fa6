-- One row per cohort and account that was open on its date: the population that is trained on. As int_account_book.
{{ config(materialized='table') }}

{{ account_book(ref('int_cohort_dates')) }}
