-- One row per customer and date that some feature looks at: the key of every customer-level rollup.
{{ config(materialized='table') }}

{{ customer_dates(ref('int_account_book'), ref('int_application_cases')) }}
