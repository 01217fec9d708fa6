-- One row per group of an attribute, decision and step of the PD: tonight's applications, whose outcomes are unknown.
{{ config(tags=['nightly'], materialized='table') }}

with

run as (

    select * from {{ ref('int_run') }}

),

scores as (

    {%- for model in scoring_models('application') %}

        select
            model_name,
            application_id,
            as_of_date,
            pd
        from {{ ref(model.scores) }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

applications as (

    select * from {{ ref('int_application_cases') }}

),

cutoffs as (

    select * from {{ ref('int_fairness_cutoffs') }}

),

cases as (

    select
        scores.application_id,
        scores.as_of_date,
        scores.model_name,
        scores.pd,
        applications.customer_id
    from scores
    inner join run on scores.as_of_date = run.as_of_date
    inner join applications
        on
            scores.application_id = applications.application_id
            and scores.as_of_date = applications.as_of_date

),

groups as (

    {{ protected_groups('cases', ['application_id', 'as_of_date']) }}

)

select
    cases.model_name,
    groups.attribute,
    groups.group_name,
    cases.pd >= cutoffs.cutoff as is_adverse,
    {{ pd_step('cases.pd') }} as pd_step,
    count(*) as case_count,
    cast(null as bigint) as default_count
from cases
inner join groups
    on
        cases.application_id = groups.application_id
        and cases.as_of_date = groups.as_of_date
inner join cutoffs on cases.model_name = cutoffs.model_name
group by cases.model_name, groups.attribute, groups.group_name, cases.pd >= cutoffs.cutoff, {{ pd_step('cases.pd') }}
