"""Decide once per run which version of each model scores. Record, registry and the artifact's bytes must agree.

Python because the registry is MLflow.
"""

from nightbook.catalog import scoring_models
from nightbook.engine import frames
from nightbook.registry import record
from nightbook.scoring import scorer


def model(dbt, session):
    dbt.config(materialized="table")
    populations = {"account_pd": dbt.ref("accounts_tonight"), "application_pd": dbt.ref("applications_tonight")}
    run = frames.rows(dbt.ref("int_run"))[0]
    kept = record.Record.of_frames(
        dbt.source("audit", "audit_chain"),
        dbt.source("audit", "promotion_log"),
        dbt.source("audit", "version_log"),
        dbt.source("verdicts", "fct_gate_decisions"),
    )
    found = scorer.champions(kept, scoring_models.each(populations), run["pinned_versions"])
    return frames.records(session, scorer.CHAMPION_SCHEMA, found)


def _comes_after(dbt):
    # Never called. dbt takes the reference from the file.
    # Nothing is scored while a protected attribute reaches an input.
    dbt.ref("protected_inputs")
