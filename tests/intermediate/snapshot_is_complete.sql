-- A row means that the as-of date's snapshot is missing, or has fewer rows than the policy's share of the snapshot before
-- it: accounts do not close in such numbers overnight, a load was cut short. Land the rest of it.
{{ config(tags=['nightly']) }}

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

tonight as (

    select coalesce(max(snapshots.row_count), 0) as row_count
    from run
    left join snapshots on run.as_of_date = snapshots.snapshot_date

),

-- One row, none on the first night of a lender.
before as (

    select snapshots.row_count
    from snapshots
    inner join run on snapshots.snapshot_date < run.as_of_date
    qualify row_number() over (order by snapshots.snapshot_date desc) = 1

)

select
    tonight.row_count,
    before.row_count as row_count_before
from tonight
left join before on true
cross join policy
where
    tonight.row_count = 0
    or tonight.row_count < policy.min_snapshot_share * before.row_count
