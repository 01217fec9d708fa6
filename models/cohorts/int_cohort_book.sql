-- One row per cohort and account that was open on its date, accounts in default included. The same SQL as
-- int_account_book.
{{ config(materialized='table') }}

{{ account_book(ref('int_cohort_dates')) }}
