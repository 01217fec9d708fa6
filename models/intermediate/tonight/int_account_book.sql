-- One row per as-of date and account that is open on it, accounts in default included.
{{ config(materialized='table') }}

{{ account_book(ref('int_as_of_dates')) }}
