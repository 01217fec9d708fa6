-- One row per application and the date it is looked at from: tonight's undecided ones when scoring, matured approvals
-- as of their own day when training. The terms are those known on that date.
{{ config(materialized='table') }}

with

run as (

    select * from {{ ref('int_run') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

applications as (

    select * from {{ ref('stg_applications') }}

),

application_versions as (

    select * from {{ ref('stg_application_versions') }}

),

history as (

    select min(snapshot_date) as first_snapshot_date from {{ ref('stg_snapshots') }}

),

-- One row per application in question.
cases as (

    select
        applications.application_id,
        run.as_of_date,
        cast(null as varchar) as account_id,
        true as is_undecided
    from applications
    cross join run
    cross join policy
    where
        {{ is_scoring_run() | string | lower }}
        and applications.applied_on <= run.as_of_date
        and {{ days_between('applications.applied_on', 'run.as_of_date') }} <= policy.application_open_days

    union all

    select
        applications.application_id,
        applications.applied_on as as_of_date,
        applications.account_id,
        false as is_undecided
    from applications
    cross join run
    cross join policy
    cross join history
    where
        {{ is_training_run() | string | lower }}
        and applications.decision = 'approved'
        and applications.account_id is not null
        and applications.applied_on >= history.first_snapshot_date
        and {{ add_months('applications.applied_on', 'policy.outcome_months') }}
        <= coalesce(policy.observed_through, run.as_of_date)
        and {{ months_between('applications.applied_on', add_months('run.as_of_date', '-policy.outcome_months')) }}
        < policy.application_cohorts

),

with_terms as (

    select
        cases.application_id,
        cases.as_of_date,
        cases.account_id,
        cases.is_undecided,
        application_versions.customer_id,
        application_versions.applied_on,
        application_versions.product,
        application_versions.requested_amount,
        application_versions.requested_term_months,
        application_versions.stated_income,
        application_versions.purpose,
        application_versions.channel,
        application_versions.home_ownership,
        application_versions.employment_years,
        application_versions.decision
    from cases
    inner join application_versions on cases.application_id = application_versions.application_id
    qualify
        row_number() over (
            partition by cases.application_id, cases.as_of_date
            order by {{ version_order_as_of('application_versions._loaded_at', 'application_versions._load_id', 'cases.as_of_date') }}
        ) = 1

),

-- Undecided as far as was known on the date: a night that is repeated after the decisions has the same queue.
undecided_or_matured as (

    select * exclude (decision)
    from with_terms
    where not is_undecided or decision is null

)

select * from undecided_or_matured
