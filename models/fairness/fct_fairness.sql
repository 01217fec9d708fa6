-- One row per model, population, group of a protected attribute and metric, for every training and every night.
{{ config(tags=['nightly', 'weekly']) }}

select * from {{ source('fairness', 'fairness_of_trainings') }}  -- noqa: RF02

union all

select * from {{ source('fairness', 'fairness_of_nights') }}  -- noqa: RF02
