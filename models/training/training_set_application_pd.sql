-- One row per matured approved application: outcome, split and all application features as of its date.
{{ config(materialized='table') }}

with

outcomes as (

    select * from {{ ref('int_application_outcomes') }}

),

features as (

    select * from {{ ref('feat_cohort_applications') }}

)

select
    outcomes.*,
    features.* exclude (application_id, as_of_date)  -- noqa: RF02
from outcomes
inner join features
    on
        outcomes.entity_id = features.application_id
        and outcomes.as_of_date = features.as_of_date
