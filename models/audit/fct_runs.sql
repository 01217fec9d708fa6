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
    applications_scored,
    git_commit,
    is_dirty,
    manifest_digest,
    library_digest,
    lock_digest,
    engine,
    versions,
    rows_by_relation,
    pinned_versions
from {{ source('audit', 'run_log') }}
