-- A row is an account that servicing reports on a scored date and that raw.accounts does not know: it would drop out of
-- the book, its provision with it. Land the missing account.
{{ config(tags=['nightly', 'weekly']) }}

select
    servicing.account_id,
    servicing.snapshot_date
from {{ ref('stg_loan_servicing') }} as servicing
inner join {{ ref('int_as_of_dates') }} as dates on servicing.snapshot_date = dates.as_of_date
left join {{ ref('stg_account_versions') }} as account_versions on servicing.account_id = account_versions.account_id
where account_versions.account_id is null
