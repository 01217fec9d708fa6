-- One row per model and training rule: the current figure, the threshold, and whether the rule asks for a training.
{{ config(materialized='table') }}

with

run as (

    select * from {{ ref('int_run') }}

),

rules as (

    select * from {{ ref('training_rules') }}

),

cohorts as (

    select * from {{ ref('int_cohorts') }}

),

run_log as (

    select * from {{ source('audit', 'run_log') }}

),

feature_psi as (

    {{ rows_if_there(ref('fct_feature_psi'), {
        'model_name': 'varchar', 'as_of_date': 'date', 'value': 'double', 'alert_at': 'double', 'case_count': 'bigint',
        'model_version': 'integer',
    }) }}

),

score_drift as (

    {{ rows_if_there(ref('fct_score_drift'), {
        'model_name': 'varchar', 'as_of_date': 'date', 'psi': 'double', 'case_count': 'bigint', 'model_version': 'integer',
    }) }}

),

performance as (

    {{ rows_if_there(ref('fct_model_performance'), {
        'model_name': 'varchar', 'basis': 'varchar', 'metric': 'varchar', 'cohort_date': 'date', 'as_of_date': 'date',
        'status': 'varchar', 'model_version': 'integer',
    }) }}

),

calibration as (

    {{ rows_if_there(ref('fct_calibration'), {
        'model_name': 'varchar', 'risk_grade': 'varchar', 'cohort_date': 'date', 'as_of_date': 'date',
        'traffic_light': 'varchar', 'model_version': 'integer',
    }) }}

),

-- One row per scoring model. A model without a champion has no version.
champions as (

    select
        models.model_name,
        versions.model_version,
        coalesce(run_log.as_of_date, cast(versions.registered_at as date)) as trained_as_of
    from (select distinct model_name from {{ ref('feature_catalog') }}) as models
    left join {{ ref('fct_model_versions') }} as versions
        on models.model_name = versions.model_name and versions.is_champion
    left join run_log on versions.run_id = run_log.run_id

),

-- Only figures of the current champion count, up to the as-of date. Figures of earlier versions do not.
drifts as (

    select
        champions.model_name,
        feature_psi.as_of_date,
        'worst_feature_drift' as measure,
        -- Relative to the input's own alert threshold. An input with a wider band differs from training on ordinary
        -- nights, also after a new training.
        max({{ quotient('feature_psi.value', 'feature_psi.alert_at') }}) as value
    from champions
    inner join feature_psi
        on
            champions.model_name = feature_psi.model_name
            and champions.model_version = feature_psi.model_version
    inner join run on feature_psi.as_of_date <= run.as_of_date
    -- With fewer cases a PSI says nothing, as in psi_status.
    where feature_psi.case_count >= 200
    group by champions.model_name, feature_psi.as_of_date

    union all

    select
        champions.model_name,
        score_drift.as_of_date,
        'score_psi' as measure,
        max(score_drift.psi) as value
    from champions
    inner join score_drift
        on
            champions.model_name = score_drift.model_name
            and champions.model_version = score_drift.model_version
    inner join run on score_drift.as_of_date <= run.as_of_date
    where score_drift.case_count >= 200
    group by champions.model_name, score_drift.as_of_date

),

latest_drifts as (

    select
        model_name,
        measure,
        value
    from drifts
    qualify row_number() over (partition by model_name, measure order by as_of_date desc) = 1

),

latest_performance as (

    select
        champions.model_name,
        performance.status
    from champions
    inner join performance
        on
            champions.model_name = performance.model_name
            and champions.model_version = performance.model_version
    inner join run on performance.as_of_date <= run.as_of_date
    qualify
        row_number() over (
            partition by champions.model_name, performance.basis, performance.metric
            order by performance.cohort_date desc, performance.as_of_date desc
        ) = 1

),

latest_calibration as (

    select
        champions.model_name,
        calibration.traffic_light
    from champions
    inner join calibration
        on
            champions.model_name = calibration.model_name
            and champions.model_version = calibration.model_version
    inner join run on calibration.as_of_date <= run.as_of_date
    where calibration.risk_grade = 'all'
    qualify
        row_number() over (
            partition by champions.model_name order by calibration.cohort_date desc, calibration.as_of_date desc
        ) = 1

),

-- One row: the as-of date of the last successful training, whatever became of its candidates. Null if there was none.
trainings as (

    select max(run_log.as_of_date) as as_of_date
    from run_log
    inner join run on run_log.as_of_date <= run.as_of_date
    where run_log.cadence in ('weekly', 'full') and run_log.outcome = 'succeeded'

),

-- One row per model and measure that is known.
measured as (

    select
        champions.model_name,
        'is_without_champion' as measure,
        cast(case when champions.model_version is null then 1 else 0 end as double) as value
    from champions

    union all

    select
        champions.model_name,
        'champion_age_days' as measure,
        cast({{ at_least(days_between('champions.trained_as_of', 'run.as_of_date'), 0) }} as double) as value
    from champions
    cross join run
    where champions.model_version is not null

    union all

    select
        champions.model_name,
        'new_cohorts' as measure,
        cast(count(cohorts.as_of_date) as double) as value
    from champions
    left join cohorts on champions.trained_as_of < cohorts.outcome_through
    where champions.model_version is not null
    group by champions.model_name

    union all

    select
        champions.model_name,
        'days_since_training' as measure,
        cast({{ days_between('trainings.as_of_date', 'run.as_of_date') }} as double) as value
    from champions
    cross join trainings
    cross join run

    union all

    select
        model_name,
        measure,
        value
    from latest_drifts

    union all

    select
        model_name,
        'performance_alerts' as measure,
        cast(sum(case when status = 'alert' then 1 else 0 end) as double) as value
    from latest_performance
    group by model_name

    union all

    select
        model_name,
        'red_lights' as measure,
        cast(case when traffic_light = 'red' then 1 else 0 end as double) as value
    from latest_calibration

),

judged as (

    select
        champions.model_name,
        champions.model_version,
        rules.rule,
        rules.measure,
        rules.comparison,
        rules.threshold,
        rules.description,
        measured.value,
        case
            when measured.value is null then 'unknown'
            when {{ meets('measured.value', 'rules.comparison', 'rules.threshold') }} then rules.effect
            else 'wait'
        end as verdict
    from champions
    cross join rules
    left join measured on champions.model_name = measured.model_name and rules.measure = measured.measure

)

select
    judged.model_name,
    judged.rule,
    run.as_of_date,
    judged.measure,
    judged.value,
    judged.comparison,
    cast(judged.threshold as double) as threshold,
    judged.verdict,
    case
        when judged.verdict = 'unknown' then judged.measure || ' is not known yet'
        when judged.verdict in ('train', 'hold')
            then
                judged.description || ': ' || judged.measure || ' is ' || {{ number_text(rounded('judged.value', 4)) }} || ', which is '
                || judged.comparison || ' ' || {{ number_text('judged.threshold') }}
        else
            judged.measure || ' is ' || {{ number_text(rounded('judged.value', 4)) }} || ', not ' || judged.comparison || ' '
            || {{ number_text('judged.threshold') }}
    end as reason,
    cast(judged.model_version as integer) as model_version,
    run.run_id
from judged
cross join run
