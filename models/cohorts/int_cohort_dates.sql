-- One row per matured cohort: the dates that training's features are built for, and the share of the book that is needed.
with

cohorts as (

    select
        as_of_date,
        sample_share
    from {{ ref('int_cohorts') }}

),

{{ date_lags('cohorts') }}
