-- One row per cadence and due date: whether the results were there in time, and if not yet, whether they will be. It
-- is a view, because the answer depends on the time of the query.
{%- set attempts_for_median = 7 %}

with

seed as (

    select * from {{ ref('deadlines') }}

),

runs as (

    select * from {{ source('audit', 'run_log') }}

),

decisions as (

    {{ rows_if_there(source('training', 'fct_training_decisions'), {
        'run_id': 'varchar', 'decision': 'varchar', 'decided_at': 'timestamp'
    }) | indent(4) }}

),

digits as (

    select listed.digit
    from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as listed (digit)

),

-- One row per cadence.
deadlines as (

    select
        cadence,
        time_zone,
        weekday,
        opens_hours,
        extract(hour from due_at) * 3600 + extract(minute from due_at) * 60 as due_seconds,
        {{ now_utc() }} as asked_at
    from seed

),

-- One row per run and deadline that it can serve. A backfill pins versions and serves none.
attempts as (

    select
        deadlines.cadence,
        runs.run_id,
        runs.started_at,
        runs.ended_at,
        runs.outcome,
        runs.as_of_date,
        {{ due_date_of('runs.started_at', 'deadlines') }} as due_date,
        max(case when runs.outcome = 'succeeded' then runs.as_of_date end) over (
            partition by deadlines.cadence
            order by runs.started_at, runs.run_id
            rows between unbounded preceding and 1 preceding
        ) as last_as_of_date
    from runs
    inner join deadlines on runs.cadence in (deadlines.cadence, 'full')
    where runs.pinned_versions is null

),

-- One row per run that gave the results of its date. A run for an earlier date than before is a repetition.
successes as (

    select
        *,
        {{ seconds_between('started_at', 'ended_at') }} as seconds,
        row_number() over (partition by cadence order by ended_at desc, run_id asc) as recency
    from attempts
    where
        outcome = 'succeeded'
        and (last_as_of_date is null or as_of_date is null or as_of_date >= last_as_of_date)

),

-- One row per decision that no training is needed. Such a decision meets the weekly deadline.
waits as (

    select distinct
        deadlines.cadence,
        decisions.run_id,
        decisions.decided_at,
        {{ due_date_of('decisions.decided_at', 'deadlines') }} as due_date
    from decisions
    inner join deadlines on deadlines.cadence = 'weekly'
    where decisions.decision = 'wait'

),

results as (

    select
        cadence,
        due_date,
        run_id,
        started_at,
        ended_at
    from successes

    union all

    select
        cadence,
        due_date,
        run_id,
        decided_at as started_at,
        decided_at as ended_at
    from waits

),

-- One row per cadence and due date that has a result.
first_results as (

    select *
    from (
        select
            *,
            row_number() over (partition by cadence, due_date order by ended_at, run_id) as rank_of_date
        from results
    ) as ranked
    where rank_of_date = 1

),

-- One row per cadence that has ever succeeded. Before that no deadline applies.
cadences as (

    select
        cadence,
        min(ended_at) as awaited_from,
        cast(round(median(case when recency <= {{ attempts_for_median }} then seconds end)) as bigint) as expected_seconds
    from successes
    group by cadence

),

-- One row per cadence and each of its last thousand due dates.
dates as (

    select
        deadlines.cadence,
        deadlines.time_zone,
        deadlines.due_seconds,
        deadlines.asked_at,
        hundreds.digit + tens.digit + ones.digit = 0 as is_current,
        {{ add_days(
            due_date_of('deadlines.asked_at', 'deadlines'),
            '-(hundreds.digit * 100 + tens.digit * 10 + ones.digit) * case when deadlines.weekday is null then 1 else 7 end'
        ) }} as due_date
    from deadlines
    cross join digits as hundreds
    cross join digits as tens
    cross join digits as ones

),

due as (

    select
        *,
        {{ utc_time(add_seconds('cast(due_date as timestamp)', 'due_seconds'), 'time_zone') }} as due_at
    from dates

),

attempt_counts as (

    select
        cadence,
        due_date,
        count(*) as run_count
    from attempts
    group by cadence, due_date

),

awaited as (

    select
        due.cadence,
        due.due_date,
        due.due_at,
        due.asked_at,
        first_results.run_id,
        first_results.started_at,
        first_results.ended_at,
        coalesce(attempt_counts.run_count, 0) as run_count,
        case when due.is_current and first_results.run_id is null then cadences.expected_seconds end as expected_seconds
    from due
    inner join cadences on due.cadence = cadences.cadence and due.due_at >= cadences.awaited_from
    left join attempt_counts on due.cadence = attempt_counts.cadence and due.due_date = attempt_counts.due_date
    left join first_results on due.cadence = first_results.cadence and due.due_date = first_results.due_date

),

expected as (

    select
        *,
        {{ add_seconds('asked_at', 'expected_seconds') }} as expected_end_at
    from awaited

)

select
    cadence,
    due_date,
    due_at,
    case
        when ended_at <= due_at then 'met'
        when ended_at is not null or asked_at > due_at then 'breached'
        when expected_end_at > due_at then 'predicted_breach'
        else 'open'
    end as status,
    cast(
        {{ rounded('cast(' ~ seconds_between('coalesce(ended_at, expected_end_at)', 'due_at') ~ ' as double) / 60', 1) }} as decimal(18, 1)
    ) as margin_minutes,
    run_id,
    started_at,
    ended_at,
    cast(run_count as bigint) as run_count,
    expected_seconds,
    expected_end_at
from expected
