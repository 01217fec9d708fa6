-- One row per application that waits for a decision tonight, with the terms known tonight.
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

-- account_id is null: an account that the application opened would reveal the approval.
cases as (

    select
        applications.application_id,
        run.as_of_date,
        cast(null as varchar) as account_id
    from applications
    cross join run
    cross join policy
    where
        applications.applied_on <= run.as_of_date
        and {{ days_between('applications.applied_on', 'run.as_of_date') }} <= policy.application_open_days

),

{{ application_terms('cases') }}

-- Undecided as known on the date. So a night that is repeated after the decisions has the same queue.
select * exclude (decision)
from with_terms
where decision is null
