-- Each row is an account that servicing reports on a scored date and that raw.accounts does not have. The book and the
-- provisions would miss it. Land the missing account.
{{ config(tags=['nightly']) }}

select distinct
    servicing.account_id,
    servicing.snapshot_date
from {{ ref('stg_loan_servicing_versions') }} as servicing
left join {{ ref('int_account_terms') }} as terms on servicing.account_id = terms.account_id
where
    servicing.snapshot_date in (select dates.as_of_date from {{ ref('int_as_of_dates') }} as dates)
    and terms.account_id is null
