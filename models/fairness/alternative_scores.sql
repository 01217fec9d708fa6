-- One row per holdout case and alternative: its PD, and whether the alternative approves it. Each alternative
-- approves as many cases as the selected candidate.
{{ config(tags=['weekly'], materialized='table') }}

with

scores as (

    select * from {{ ref('holdout_scores') }}
    where split = 'holdout'

),

cutoffs as (

    select * from {{ ref('int_fairness_cutoffs') }}

),

alternatives as (

    {%- for role, pd in [
        ('selected', 'candidate_pd'), ('runner_up', 'runner_up_pd'), ('benchmark', 'benchmark_pd'), ('champion', 'champion_pd'),
    ] %}

        select
            model_name,
            entity_id,
            as_of_date,
            is_default,
            candidate_pd,
            '{{ role }}' as role,
            {{ pd }} as pd
        from scores
        where {{ pd }} is not null
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

ranked as (

    select
        alternatives.model_name,
        alternatives.entity_id,
        alternatives.as_of_date,
        alternatives.is_default,
        alternatives.role,
        alternatives.pd,
        alternatives.candidate_pd < cutoffs.cutoff as is_approved_by_selected,
        row_number() over (
            partition by alternatives.model_name, alternatives.role
            order by alternatives.pd, alternatives.entity_id, alternatives.as_of_date
        ) as safety_rank,
        count(case when alternatives.candidate_pd < cutoffs.cutoff then 1 end) over (
            partition by alternatives.model_name, alternatives.role
        ) as approved_count
    from alternatives
    inner join cutoffs on alternatives.model_name = cutoffs.model_name

)

select
    model_name,
    entity_id,
    as_of_date,
    role,
    is_default,
    pd,
    is_approved_by_selected,
    safety_rank <= approved_count as is_approved
from ranked
