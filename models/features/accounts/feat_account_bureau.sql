-- One row per account and as-of date whose customer has a bureau file.
{{ config(materialized='table') }}

{{ account_bureau(ref('int_account_book'), ref('int_bureau_files')) }}
