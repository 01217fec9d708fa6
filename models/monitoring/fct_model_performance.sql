-- One row per model, basis, metric, cohort and night that measured it: how well PDs rank and fit, against the gate's
-- figures.
with

run as (

    select * from {{ ref('int_run') }}

),

cohorts as (

    select measured.*
    from {{ ref('measured_cohorts') }} as measured
    inner join run on measured.run_id = run.run_id

),

approval as (

    select * from {{ ref('approval_figures') }}

),

-- One row per basis and metric: the deterioration since approval from which the status is warn or alert.
thresholds as (

    select
        basis,
        metric,
        max(case when severity = 'warn' then threshold end) as warn_at,
        max(case when severity = 'alert' then threshold end) as alert_at,
        max(min_defaults) as min_defaults
    from {{ ref('monitoring_thresholds') }}
    where monitor = 'performance'
    group by basis, metric

),

measured as (

    {{ performance(ref('score_steps'), ['basis', 'model_name', 'model_version', 'cohort_date']) }}

),

compared as (

    select
        measured.*,
        approval.value as approval_value,
        {{ rounded(
            "case when measured.metric = 'brier' then measured.value - approval.value else approval.value - measured.value end", 6
        ) }} as deterioration,
        -- The whole interval is worse than the figure at approval.
        case
            when measured.metric = 'brier' then measured.low > approval.value
            else measured.high < approval.value
        end as is_beyond_chance
    from measured
    left join approval
        on
            measured.model_name = approval.model_name
            and measured.model_version = approval.model_version
            and measured.metric = approval.metric

)

select
    compared.model_name,
    compared.basis,
    compared.metric,
    compared.cohort_date,
    run.as_of_date,
    compared.value,
    compared.low,
    compared.high,
    compared.approval_value,
    compared.deterioration,
    case
        when compared.default_count < thresholds.min_defaults then 'ok'
        when compared.is_beyond_chance and compared.deterioration >= thresholds.alert_at then 'alert'
        when compared.is_beyond_chance and compared.deterioration >= thresholds.warn_at then 'warn'
        else 'ok'
    end as status,
    case
        when compared.approval_value is null then 'no figures at approval of version ' || compared.model_version
        else 'holdout at the gate, version ' || compared.model_version
    end as reference,
    cohorts.outcome_through,
    compared.case_count,
    compared.default_count,
    compared.model_version,
    run.run_id
from compared
cross join run
left join cohorts
    on
        compared.basis = 'realised'
        and compared.model_name = cohorts.model_name
        and compared.cohort_date = cohorts.cohort_date
left join thresholds
    on
        compared.basis = thresholds.basis
        and compared.metric = thresholds.metric
