-- One row per training run, model, group of an attribute and metric: the candidate on its holdout.
{{ config(pre_hook="{{ drop_broken_off_rows() }}") }}

with

figures as (

    {{ fairness_figures(ref('holdout_group_steps')) }}

),

cutoffs as (

    select * from {{ ref('int_fairness_cutoffs') }}

),

candidates as (

    select * from {{ ref('candidates') }}

),

run as (

    select * from {{ ref('int_run') }}

)

select
    figures.model_name,
    'holdout' as population,
    figures.attribute,
    figures.group_name,
    figures.metric,
    run.as_of_date,
    figures.value,
    figures.low,
    figures.high,
    figures.reference_group,
    figures.reference_value,
    figures.case_count,
    figures.default_count,
    figures.base_count,
    figures.status,
    figures.reason,
    cutoffs.cutoff,
    candidates.mlflow_run_id,
    cast(null as integer) as model_version,
    run.run_id
from figures
inner join cutoffs on figures.model_name = cutoffs.model_name
inner join candidates on figures.model_name = candidates.model_name
cross join run
