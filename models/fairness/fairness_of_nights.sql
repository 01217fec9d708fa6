-- One row per night, group of an attribute and metric: how the night's decisions on applications fall.
with

figures as (

    {{ fairness_figures(ref('tonight_group_steps')) }}

),

cutoffs as (

    select * from {{ ref('int_fairness_cutoffs') }}

),

champions as (

    select * from {{ ref('champions') }}

),

run as (

    select * from {{ ref('int_run') }}

)

select
    figures.model_name,
    'tonight' as population,
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
    cast(null as varchar) as mlflow_run_id,
    cast(champions.model_version as integer) as model_version,
    run.run_id
from figures
inner join cutoffs on figures.model_name = cutoffs.model_name
inner join champions on figures.model_name = champions.model_name
cross join run
