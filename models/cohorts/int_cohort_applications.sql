-- One row per approved application whose outcome is known. Its terms are those known on the date of the application.
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

history as (

    select min(snapshot_date) as first_snapshot_date from {{ ref('stg_snapshots') }}

),

cases as (

    select
        applications.application_id,
        applications.applied_on as as_of_date,
        applications.account_id
    from applications
    cross join run
    cross join policy
    cross join history
    where
        applications.decision = 'approved'
        and applications.account_id is not null
        and applications.applied_on >= history.first_snapshot_date
        and {{ add_months('applications.applied_on', 'policy.outcome_months') }}
        <= coalesce(policy.observed_through, run.as_of_date)
        and {{ months_between('applications.applied_on', add_months('run.as_of_date', '-policy.outcome_months')) }}
        < policy.application_cohorts

),

{{ application_terms('cases') }}

select * exclude (decision)
from with_terms
