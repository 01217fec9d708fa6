"""List what each champion's training saw of the landing tables. Input checks compare tonight's rows with it.

Python because the profile is part of the model's artifact.
"""

from nightbook.engine import frames
from nightbook.registry import record
from nightbook.scoring import scorer


def model(dbt, session):
    dbt.config(materialized="table")
    night = frames.rows(dbt.ref("int_night"))[0]
    kept = record.Record.of_frames(
        dbt.source("audit", "audit_chain"),
        dbt.source("audit", "promotion_log"),
        dbt.source("audit", "version_log"),
        dbt.source("verdicts", "fct_gate_decisions"),
    )
    return frames.records(session, scorer.INPUT_SCHEMA, scorer.input_profiles(kept, night["pinned_versions"]))
