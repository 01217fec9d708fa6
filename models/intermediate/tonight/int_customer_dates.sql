-- One row per customer and date for which some feature is computed.
{{ config(materialized='table') }}

{{ customer_dates(ref('int_account_book'), ref('int_application_cases')) }}
