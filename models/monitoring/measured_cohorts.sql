-- One row per night, model and scored cohort that the night measures. Most nights have none. A cohort is measured
-- when its outcomes become known, when they are corrected, and when it is scored again. Only a night that succeeded
-- counts as having measured it.
{{ config(materialized='incremental', incremental_strategy='replace_partition', on_schema_change='append_new_columns') }}

with

run as (

    select * from {{ ref('int_run') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

run_log as (

    select * from {{ source('audit', 'run_log') }}

),

defaults as (

    select * from {{ ref('int_account_defaults') }}

),

-- One row per date and run that scored it. Tonight's run is added, because the run log does not hold it yet.
scorings as (

    select
        run_log.as_of_date,
        run_log.run_id,
        run_log.started_at
    from run_log
    inner join run on run_log.as_of_date < run.as_of_date
    where run_log.accounts_scored is not null

    union all

    select
        as_of_date,
        run_id,
        started_at
    from run

),

-- One row per date: the last run that scored it, whose scores stand.
nights as (

    select
        as_of_date,
        run_id
    from scorings
    qualify row_number() over (partition by as_of_date order by started_at desc, run_id asc) = 1

),

-- One row per calendar month: its last scored night, as training uses the last snapshot of a month.
month_ends as (

    select
        as_of_date as cohort_date,
        run_id as scored_by
    from nights
    qualify row_number() over (partition by {{ month_start('as_of_date') }} order by as_of_date desc) = 1

),

matured as (

    select
        month_ends.cohort_date,
        month_ends.scored_by,
        {{ add_months('month_ends.cohort_date', 'policy.outcome_months') }} as outcome_through
    from month_ends
    cross join run
    cross join policy
    where {{ outcome_is_observed('month_ends.cohort_date') }}

),

-- One row per cohort: how many accounts had defaulted by the end of its window, and a digest of which. The digest
-- also separates defaults before the window from defaults within it.
labelled as (

    select
        matured.cohort_date,
        matured.scored_by,
        matured.outcome_through,
        count(defaults.account_id) as defaults_known,
        sum(coalesce(mod({{ engine_hash(
            "defaults.account_id || '|' || " ~ has_defaulted('defaults.defaulted_on', 'matured.cohort_date')
        ) }}, 1000000007), 0)) as defaulted_accounts
    from matured
    left join defaults on matured.outcome_through >= defaults.defaulted_on
    group by matured.cohort_date, matured.scored_by, matured.outcome_through

),

models as (
    {%- for model in scoring_models() %}

        select '{{ model.model_name }}' as model_name
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

due as (

    select
        models.model_name,
        labelled.cohort_date,
        labelled.outcome_through,
        labelled.scored_by,
        cast(labelled.defaults_known as varchar) || '-' || cast(labelled.defaulted_accounts as varchar) as label_digest
    from labelled
    cross join models

)

select
    run.as_of_date,
    due.model_name,
    due.cohort_date,
    due.outcome_through,
    due.scored_by,
    due.label_digest,
    run.run_id
from due
cross join run
{%- if is_incremental() %}
where
    not exists (
        select 1
        from {{ this }} as earlier
        inner join run_log on earlier.run_id = run_log.run_id
        where
            run_log.outcome = 'succeeded'
            and earlier.as_of_date < run.as_of_date
            and earlier.model_name = due.model_name
            and earlier.cohort_date = due.cohort_date
            and earlier.scored_by = due.scored_by
            and earlier.label_digest = due.label_digest
    )
{%- endif %}
