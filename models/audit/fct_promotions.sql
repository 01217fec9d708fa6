-- One row per move of a champion: approvals and rollbacks, who asked and under which change. `approve` and `rollback` alone
-- write the log underneath.
select
    model_name,
    sequence,
    action,
    model_version,
    previous_version,
    approver,
    change_request,
    actor,
    promoted_at,
    is_by_makers_account
from {{ source('audit', 'promotion_log') }}
