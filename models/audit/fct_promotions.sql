-- One row per move of a champion alias: approvals and rollbacks, who asked and under which change.
{{ config(materialized='table') }}

select
    model_name,
    sequence,
    action,
    model_version,
    previous_version,
    approver,
    change_request,
    actor,
    promoted_at
from {{ ref('registry_promotions') }}
