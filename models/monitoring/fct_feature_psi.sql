-- One row per model, input and as-of date: how far tonight's population has moved from the champion's training one.
with

shares as (

    select * from {{ ref('feature_shares') }}

),

run as (

    select * from {{ ref('int_run') }}

),

indices as (

    select
        model_name,
        model_version,
        feature,
        max(case_count) as case_count,
        round({{ psi('reference_share', 'actual_share') }}, 9) as value
    from shares
    group by model_name, model_version, feature

)

select
    indices.model_name,
    indices.feature,
    run.as_of_date,
    indices.value,
    {{ psi_status('indices.value', 'indices.case_count') }} as status,
    'training population of version ' || indices.model_version as reference,
    cast(indices.case_count as bigint) as case_count,
    cast(indices.model_version as integer) as model_version,
    run.run_id
from indices
cross join run
