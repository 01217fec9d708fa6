-- One row per account and cohort whose customer had a bureau file: feat_account_bureau for training cases.
{{ config(materialized='table') }}

{{ account_bureau(ref('int_cohort_book'), ref('int_cohort_bureau_files')) }}
