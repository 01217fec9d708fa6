-- One row per basis, model version, cohort, grade and step of the PD: counts of cases and defaults. Basis `expected`
-- has tonight's scores, whose outcomes are unknown. Basis `realised` has the past cohorts that are measured tonight.
{{ config(materialized='table') }}

{%- set cohort_dates = measured_dates(ref('measured_cohorts')) %}

with

run as (

    select * from {{ ref('int_run') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

cohorts as (

    select measured.*
    from {{ ref('measured_cohorts') }} as measured
    inner join run on measured.run_id = run.run_id

),

defaults as (

    select * from {{ ref('int_account_defaults') }}

),

applications as (

    select * from {{ ref('stg_applications') }}

),

-- Dates are literals, so that the engine reads no other part of a long history.
account_scores as (

    {%- for model in scoring_models('account') %}

        select
            model_name,
            model_version,
            {{ model.key }},
            as_of_date,
            risk_grade,
            pd
        from {{ ref(model.scores) }}
        {%- if cohort_dates is not none %}
        where as_of_date in {{ date_list(cohort_dates) }}
        {%- endif %}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

application_scores as (

    {%- for model in scoring_models('application') %}

        select
            model_name,
            model_version,
            {{ model.key }},
            as_of_date,
            risk_grade,
            pd
        from {{ ref(model.scores) }}
        {%- if cohort_dates is not none %}
        where as_of_date in {{ date_list(cohort_dates) }}
        {%- endif %}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- One row per scored case. is_default is null while the outcome is unknown.
cases as (

    {%- for model in scoring_models() %}

        select
            'expected' as basis,
            model_name,
            model_version,
            as_of_date as cohort_date,
            cast(null as varchar) as risk_grade,
            pd,
            cast(null as integer) as is_default
        from {{ ref(model.tonight_scores) }}

        union all
    {%- endfor %}

    -- As in training, leave out accounts that are now known to have been in default on the cohort's date.
    select
        'realised' as basis,
        scores.model_name,
        scores.model_version,
        cohorts.cohort_date,
        scores.risk_grade,
        scores.pd,
        {{ has_defaulted('defaults.defaulted_on', 'cohorts.outcome_through') }} as is_default
    from account_scores as scores
    inner join cohorts on scores.as_of_date = cohorts.cohort_date and scores.model_name = cohorts.model_name
    left join defaults on scores.account_id = defaults.account_id
    where {{ has_defaulted('defaults.defaulted_on', 'cohorts.cohort_date') }} = 0

    union all

    -- As in training: only approved applications, each with the window after its own date.
    select
        'realised' as basis,
        scores.model_name,
        scores.model_version,
        cohorts.cohort_date,
        scores.risk_grade,
        scores.pd,
        {{ has_defaulted('defaults.defaulted_on', add_months('applications.applied_on', 'policy.outcome_months')) }}
            as is_default
    from application_scores as scores
    inner join cohorts on scores.as_of_date = cohorts.cohort_date and scores.model_name = cohorts.model_name
    inner join applications on scores.application_id = applications.application_id
    cross join policy
    left join defaults on applications.account_id = defaults.account_id
    where applications.decision = 'approved' and applications.account_id is not null

)

select
    basis,
    model_name,
    cast(model_version as integer) as model_version,
    cohort_date,
    risk_grade,
    {{ pd_step('pd') }} as pd_step,
    count(*) as case_count,
    cast(sum(is_default) as bigint) as default_count
from cases
group by basis, model_name, model_version, cohort_date, risk_grade, {{ pd_step('pd') }}
