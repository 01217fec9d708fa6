-- One row per matured cohort: its date, the share of customers in the sample, and how its month is counted.
with

cohorts as (

    select
        as_of_date,
        sample_share
    from {{ ref('int_cohorts') }}

),

{{ date_lags('cohorts') }}
