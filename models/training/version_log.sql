-- One row per version that a training registered after the gate had passed it, with the digests that the training
-- computed.
{{ config(schema='audit', materialized='incremental', incremental_strategy='replace_broken_off_versions') }}

with

registrations as (

    select * from {{ ref('registrations') }}

),

candidates as (

    select * from {{ ref('candidates') }}

),

run as (

    select * from {{ ref('int_run') }}

)

select
    registrations.model_name,
    registrations.model_version,
    registrations.mlflow_run_id,
    registrations.model_digest,
    candidates.algorithm,
    candidates.maker,
    run.run_id,
    registrations.registered_at,
    registrations.metadata_digest,
    registrations.data_digest,
    candidates.git_commit,
    registrations.artifact_digest
from registrations
inner join candidates
    on
        registrations.model_name = candidates.model_name
        and registrations.mlflow_run_id = candidates.mlflow_run_id
cross join run
