-- One row per fact that decides which windows are computed again tonight. change says what it is:
--   month  the month that tonight's windows end with; always one row
--   whole  all windows must be computed again
--   run    a run that computed months of accounts again after the windows were computed
{{ config(materialized='table') }}

{%- set windows = closed_windows(window_parts(windowed_features())) %}

with

run as (

    select * from {{ ref('int_run') }}

),

month_of_windows as (

    select {{ add_months(month_start('run.as_of_date'), '-coalesce(dates.month_lag, 0)') }} as month_start
    from run
    left join {{ ref('int_as_of_dates') }} as dates on run.as_of_date = dates.as_of_date

),

-- One row per run that wrote kept windows. source() and not ref(), because it reads what earlier runs left there.
writers as (

    select
        kept.kept_by,
        min(
            case
                when kept.definition = '{{ closed_windows_definition(windows) }}' and kept.month_start = month_of_windows.month_start then 1
                else 0
            end
        ) as is_current
    from (
        {{ rows_if_there(source('history', 'int_closed_windows'), {
            'kept_by': 'varchar', 'definition': 'varchar', 'month_start': 'date'
        }) }}
    ) as kept
    cross join month_of_windows
    group by kept.kept_by

),

runs as (

    select distinct
        run_id,
        started_at
    from {{ ref('int_landings') }}

),

-- One row: whether windows are kept, all with this month and definition, and all by runs that int_landings knows.
kept as (

    select
        coalesce(min(writers.is_current) = 1 and count(runs.run_id) = count(*), false) as is_current,
        max(runs.started_at) as started_at
    from writers
    left join runs on writers.kept_by = runs.run_id

),

-- Runs that computed closed months after the windows, and why.
recomputed as (

    select distinct
        months.kept_by as run_id,
        months.kept_for
    from {{ ref('int_closed_months') }} as months
    where
        months.kept_by in (
            select runs.run_id
            from runs
            cross join kept
            where runs.started_at > kept.started_at
        )

),

whole as (

    select kept.is_current
    from kept
    where
        {{ 'true' if flags.FULL_REFRESH else 'false' }}
        or not kept.is_current
        or exists (
            select 1 from recomputed
            where recomputed.kept_for != 'account'
        )

)

select
    'month' as change,
    month_start,
    cast(null as varchar) as run_id
from month_of_windows

union all

select
    'whole' as change,
    null as month_start,
    null as run_id
from whole

union all

select distinct
    'run' as change,
    cast(null as date) as month_start,
    run_id
from recomputed
where not exists (select 1 from whole)
