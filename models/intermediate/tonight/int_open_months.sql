-- One row per account of the book and as-of date: the month that every window ends with. An incomplete month is
-- counted with the one before: tonight's state, and the payments of the last whole month.
{{ config(materialized='table') }}

{{ open_months(ref('int_account_book'), ref('int_as_of_dates')) }}
