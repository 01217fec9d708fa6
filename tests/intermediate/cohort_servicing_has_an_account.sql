-- Each row is an account that servicing reports on the date of a cohort and that raw.accounts does not have. Training
-- would miss it. Land the missing account.
{{ config(tags=['weekly']) }}

select distinct
    servicing.account_id,
    servicing.snapshot_date
from {{ ref('stg_loan_servicing_versions') }} as servicing
left join {{ ref('int_account_terms') }} as terms on servicing.account_id = terms.account_id
where
    servicing.snapshot_date in (
        select dates.as_of_date from ({{ rows_if_there(ref('int_cohort_dates'), {'as_of_date': 'date'}) }}) as dates
    )
    and terms.account_id is null
