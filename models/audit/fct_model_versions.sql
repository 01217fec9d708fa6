-- One row per registered version: how it was made and who let it score.
{{ config(materialized='table') }}

select
    model_name,
    model_version,
    mlflow_run_id,
    model_digest,
    algorithm,
    maker,
    run_id,
    registered_at,
    metadata_digest,
    data_digest,
    git_commit,
    is_champion,
    approver,
    change_request,
    approved_at
from {{ ref('registry_versions') }}
