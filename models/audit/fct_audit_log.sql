-- One row per entry of the audit log. sequence gives the order of the entries.
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
