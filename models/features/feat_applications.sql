-- One row per application and as-of date: every application feature, for training and scoring alike.
{{ config(materialized='table') }}

with

applications as (

    select
        application_id,
        as_of_date
    from {{ ref('int_application_cases') }}

)

select *  -- noqa: RF02
from applications
left join {{ ref('feat_application_request') }} using (application_id, as_of_date)
left join {{ ref('feat_application_bureau') }} using (application_id, as_of_date)
left join {{ ref('feat_application_relationship') }} using (application_id, as_of_date)
