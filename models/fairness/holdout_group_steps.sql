-- One row per model, group of an attribute, decision and step of the candidate's PD: counts of holdout cases and
-- defaults.
{{ config(tags=['weekly'], materialized='table') }}

with

scores as (

    select * from {{ ref('holdout_scores') }}
    where split = 'holdout'

),

groups as (

    select * from {{ ref('int_holdout_groups') }}

),

cutoffs as (

    select * from {{ ref('int_fairness_cutoffs') }}

)

select
    scores.model_name,
    groups.attribute,
    groups.group_name,
    scores.candidate_pd >= cutoffs.cutoff as is_adverse,
    {{ pd_step('scores.candidate_pd') }} as pd_step,
    count(*) as case_count,
    cast(sum(scores.is_default) as bigint) as default_count
from scores
inner join groups
    on
        scores.model_name = groups.model_name
        and scores.entity_id = groups.entity_id
        and scores.as_of_date = groups.as_of_date
inner join cutoffs on scores.model_name = cutoffs.model_name
group by
    scores.model_name,
    groups.attribute,
    groups.group_name,
    scores.candidate_pd >= cutoffs.cutoff,
    {{ pd_step('scores.candidate_pd') }}
