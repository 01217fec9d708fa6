-- One row per version that a training registered: how it was made and who approved it.
with

versions as (

    select * from {{ source('audit', 'version_log') }}

),

-- One row per promotion, numbered within its model and within its version, latest first.
promotions as (

    select
        *,
        row_number() over (partition by model_name order by sequence desc) as place_in_model,
        row_number() over (partition by model_name, model_version order by sequence desc) as place_in_version
    from {{ source('audit', 'promotion_log') }}

)

select
    versions.model_name,
    versions.model_version,
    versions.mlflow_run_id,
    versions.model_digest,
    versions.algorithm,
    versions.maker,
    versions.run_id,
    versions.registered_at,
    versions.metadata_digest,
    versions.data_digest,
    versions.git_commit,
    versions.artifact_digest,
    coalesce(promotions.place_in_model = 1, false) as is_champion,
    promotions.approver,
    promotions.change_request,
    promotions.promoted_at as approved_at,
    promotions.is_by_makers_account
from versions
left join promotions
    on
        versions.model_name = promotions.model_name
        and versions.model_version = promotions.model_version
        and promotions.place_in_version = 1
