-- One row per date that features are built for: tonight when scoring, the matured cohorts when training; and the share
-- of the book that is needed of it, which is all of it tonight.
with

run as (

    select * from {{ ref('int_run') }}

),

cohorts as (

    select * from {{ ref('int_cohorts') }}

),

dates as (

    select
        as_of_date,
        1.0 as sample_share
    from run
    where {{ is_scoring_run() | string | lower }}

    union all

    select
        as_of_date,
        sample_share
    from cohorts
    where {{ is_training_run() | string | lower }}

),

distances as (

    select
        dates.as_of_date,
        max(dates.sample_share) as sample_share,
        {{ days_between('max(snapshots.snapshot_date)', 'dates.as_of_date') }} as days_from_last_month
    from dates
    left join {{ ref('stg_snapshots') }} as snapshots on snapshots.snapshot_date < {{ month_start('dates.as_of_date') }}
    group by dates.as_of_date

)

select
    as_of_date,
    sample_share,
    {{ month_lag('days_from_last_month') }} as month_lag
from distances
