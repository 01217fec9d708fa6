-- One row per entry of the audit log, in the order in which they were made. Hooks write the chain underneath.
select
    sequence,
    kind,
    subject,
    payload,
    recorded_at,
    run_id,
    previous_hash,
    entry_hash
from {{ source('audit', 'audit_chain') }}
