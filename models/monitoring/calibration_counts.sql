-- One row per model version, cohort that is measured tonight and risk grade. Grade `all` is the whole portfolio.
with

steps as (

    select * from {{ ref('score_steps') }}
    where basis = 'realised'

),

-- Each case counts twice: in its grade and in the portfolio.
counted as (

    select
        model_name,
        model_version,
        cohort_date,
        risk_grade,
        pd_step,
        case_count,
        default_count
    from steps

    union all

    select
        model_name,
        model_version,
        cohort_date,
        'all' as risk_grade,
        pd_step,
        case_count,
        default_count
    from steps

)

select
    model_name,
    model_version,
    cohort_date,
    coalesce(risk_grade, 'none') as risk_grade,
    cast(sum(case_count) as bigint) as case_count,
    cast(sum(default_count) as bigint) as default_count,
    {{ rounded('cast(sum(case_count * pd_step) as double) / cast(sum(case_count) as double) / 1000000', 9) }} as mean_pd
from counted
group by model_name, model_version, cohort_date, coalesce(risk_grade, 'none')
