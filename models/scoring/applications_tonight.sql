-- One row per application that waits for a decision tonight, with all features.
with

cases as (

    select * from {{ ref('int_application_cases') }}

),

features as (

    select * from {{ ref('feat_applications') }}

)

select features.*
from features
inner join cases
    on
        features.application_id = cases.application_id
        and features.as_of_date = cases.as_of_date
