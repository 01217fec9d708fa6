-- One row per move of a champion: an approval or a rollback. Only the commands `approve` and `rollback` write the
-- table.
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
