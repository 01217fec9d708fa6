-- One row: the date that the run is about. It is known before the input checks, from dates and row counts of
-- snapshots.
with

request as (

    select * from {{ ref('int_request') }}

),

snapshots as (

    select * from {{ ref('stg_snapshots') }}

),

night as (

    select max(coalesce(request.as_of_date, snapshots.snapshot_date)) as as_of_date
    from snapshots
    cross join request

),

earlier as (

    select
        snapshots.snapshot_date,
        snapshots.row_count,
        row_number() over (order by snapshots.snapshot_date desc) as recency,
        case
            when night.as_of_date = {{ month_end('night.as_of_date') }}
                then snapshots.snapshot_date = {{ month_end('snapshots.snapshot_date') }}
            else {{ days_between('snapshots.snapshot_date', 'night.as_of_date') }} % 7 = 0
        end as is_comparable
    from snapshots
    inner join night on snapshots.snapshot_date < night.as_of_date

),

-- Earlier snapshots that are comparable: month-ends for a month-end, else those of the same weekday.
comparable as (

    select
        row_count,
        row_number() over (order by snapshot_date desc) as recency
    from earlier
    where is_comparable

),

usual_size as (

    select median(row_count) as row_count
    from comparable
    where recency <= 5

),

last_month as (

    select
        {{ days_between('max(snapshots.snapshot_date)', 'max(night.as_of_date)') }} as days_ago,
        {{ days_between('max(snapshots.snapshot_date)', month_start('max(night.as_of_date)')) }} - 1 as days_to_its_end
    from snapshots
    inner join night on snapshots.snapshot_date < {{ month_start('night.as_of_date') }}

),

gaps as (

    select
        recency,
        {{ days_between('snapshot_date', 'lead(snapshot_date) over (order by snapshot_date)') }} as days
    from earlier

),

-- The lender's usual gap between snapshots: a month, a day or a working day.
usual_gap as (

    select median(days) as days
    from gaps
    where recency <= 30

)

select
    night.as_of_date,
    request.as_of_date is not null as is_date_given,
    request.run_id,
    request.known_at,
    request.started_at,
    request.actor,
    request.pinned_versions,
    request.overrides,
    request.override_reason,
    earlier.snapshot_date as snapshot_before,
    tonight.row_count,
    coalesce(usual_size.row_count, earlier.row_count) as usual_row_count,
    {{ month_lag('last_month.days_ago') }} as month_lag,
    {{ quotient('last_month.days_to_its_end', 'usual_gap.days') }} as month_end_gap
from night
cross join request
left join snapshots as tonight on night.as_of_date = tonight.snapshot_date
left join earlier on earlier.recency = 1
cross join usual_size
cross join last_month
cross join usual_gap
