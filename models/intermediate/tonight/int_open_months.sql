-- One row per account of the book and as-of date: the month that every window ends with. A month that is not whole is
-- counted with the one before it: tonight's state, and the payments of the whole one.
{{ config(materialized='table') }}

{{ open_months(ref('int_account_book'), ref('int_as_of_dates')) }}
