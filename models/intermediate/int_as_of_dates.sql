-- One row per date that features are built for: tonight when scoring, the matured cohorts when training.
with

run as (

    select * from {{ ref('int_run') }}

),

cohorts as (

    select * from {{ ref('int_cohorts') }}

),

dates as (

    select as_of_date
    from run
    where {{ is_scoring_run() | string | lower }}

    union

    select as_of_date
    from cohorts
    where {{ is_training_run() | string | lower }}

)

select * from dates
