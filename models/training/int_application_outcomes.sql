-- One row per matured approved application: whether the account that it opened defaulted within the outcome window.
-- Declined applications have no outcome, so the model describes approved applicants only.
with

applications as (

    select * from {{ ref('int_cohort_applications') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

defaults as (

    select * from {{ ref('int_account_defaults') }}

),

decided as (

    select
        applications.application_id as entity_id,
        coalesce(applications.customer_id, applications.application_id) as customer_id,
        applications.as_of_date,
        dense_rank() over (order by date_trunc('month', applications.as_of_date) desc) as recency,
        {{ has_defaulted('defaults.defaulted_on', add_months('applications.as_of_date', 'policy.outcome_months')) }}
            as is_default
    from applications
    cross join policy
    left join defaults on applications.account_id = defaults.account_id

),

cases as (

    select
        *,
        max(recency) over () as cohorts
    from decided

),

{{ split_cases('cases', 'policy.application_holdout_cohorts', '100') }}

select * from split_cases
