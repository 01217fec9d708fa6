-- One row per model, input and as-of date: how far tonight's population has moved from the champion's training one.
with

profile as (

    select * from {{ ref('feature_profile') }}

),

run as (

    select * from {{ ref('int_run') }}

)

select
    profile.model_name,
    profile.feature,
    run.as_of_date,
    profile.psi as value,
    {{ psi_status('profile.psi', 'profile.case_count') }} as status,
    'training population of version ' || profile.model_version as reference,
    cast(profile.case_count as bigint) as case_count,
    cast(profile.model_version as integer) as model_version,
    run.run_id
from profile
cross join run
