-- One row per as-of date and account that is open on it: the population that is scored or trained on.
{{ config(materialized='table') }}

{{ account_book(ref('int_as_of_dates')) }}
