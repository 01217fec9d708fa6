-- One row per build that scored or trained: what it was for, who ran it, how it ended. Hooks write the log underneath.
select
    run_id,
    cadence,
    as_of_date,
    known_at,
    actor,
    started_at,
    ended_at,
    outcome,
    first_failure,
    accounts_scored,
    applications_scored
from {{ source('audit', 'run_log') }}
