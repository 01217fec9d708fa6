-- One row per model, population, group of a protected attribute and metric, for every training and every night.
{{ config(tags=['nightly', 'weekly']) }}
{%- set columns = {
    'model_name': 'varchar', 'population': 'varchar', 'attribute': 'varchar', 'group_name': 'varchar', 'metric': 'varchar',
    'as_of_date': 'date', 'value': 'double', 'low': 'double', 'high': 'double', 'reference_group': 'varchar',
    'reference_value': 'double', 'case_count': 'bigint', 'default_count': 'bigint', 'base_count': 'bigint',
    'status': 'varchar', 'reason': 'varchar', 'cutoff': 'double', 'mlflow_run_id': 'varchar', 'model_version': 'integer',
    'run_id': 'varchar',
} %}

with

-- Each is made by one cadence, which may not have run yet.
trainings as (

    {{ rows_if_there(ref('fairness_of_trainings'), columns) }}

),

nights as (

    {{ rows_if_there(ref('fairness_of_nights'), columns) }}

)

select * from trainings

union all

select * from nights
