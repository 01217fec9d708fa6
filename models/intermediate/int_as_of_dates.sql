-- One row per date that features are built for: tonight when scoring, the matured cohorts when training; and the share
-- of the book that is needed of it, which is all of it tonight.
with

run as (

    select * from {{ ref('int_run') }}

),

cohorts as (

    select * from {{ ref('int_cohorts') }}

),

dates as (

    select
        as_of_date,
        1.0 as sample_share
    from run
    where {{ is_scoring_run() | string | lower }}

    union all

    select
        as_of_date,
        sample_share
    from cohorts
    where {{ is_training_run() | string | lower }}

)

select
    as_of_date,
    max(sample_share) as sample_share
from dates
group by as_of_date
