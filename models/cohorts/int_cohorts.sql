-- One row per month-end whose outcome window has been observed: the cohorts that training may use.
{{ config(materialized='table') }}

with

run as (

    select * from {{ ref('int_run') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

snapshots as (

    select * from {{ ref('stg_snapshots') }}

),

history as (

    select min(snapshot_date) as first_snapshot_date from snapshots

),

-- One row per calendar month. A month with several snapshots counts once, by the last of them.
month_ends as (

    select max(snapshots.snapshot_date) as as_of_date
    from snapshots
    inner join run on snapshots.snapshot_date <= run.as_of_date
    group by date_trunc('month', snapshots.snapshot_date)

),

matured as (

    select
        month_ends.as_of_date,
        {{ add_months('month_ends.as_of_date', 'policy.outcome_months') }} as outcome_through,
        row_number() over (order by month_ends.as_of_date desc) as recency,
        count(*) over () as cohorts
    from month_ends
    cross join run
    cross join policy
    cross join history
    where
        {{ outcome_is_observed('month_ends.as_of_date') }}
        and month_ends.as_of_date >= {{ add_months('history.first_snapshot_date', 'policy.min_history_months') }}

),

selected as (

    select
        matured.as_of_date,
        matured.outcome_through,
        matured.recency,
        {{ least_of(['matured.cohorts', 'policy.training_cohorts']) }} as cohorts,
        {{ least_of(['1', 'policy.training_accounts / cast(snapshots.row_count as double)']) }} as sample_share
    from matured
    inner join snapshots on matured.as_of_date = snapshots.snapshot_date
    cross join policy
    where matured.recency <= policy.training_cohorts

)

select * from selected
