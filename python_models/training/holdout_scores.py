"""Score training and holdout cases with each candidate, its champion, the logistic benchmark and the runner-up.

Python because the models and the benchmark's binning are Python.
"""

from nightbook.catalog import scoring_models
from nightbook.engine import frames
from nightbook.modelling import candidates
from nightbook.registry import record


def model(dbt, session):
    dbt.config(materialized="table")
    training_sets = {
        "account_pd": dbt.ref("training_set_account_pd"),
        "application_pd": dbt.ref("training_set_application_pd"),
    }
    kept = record.Record.of_frames(
        dbt.source("audit", "audit_chain"),
        dbt.source("audit", "promotion_log"),
        dbt.source("audit", "version_log"),
        dbt.source("verdicts", "fct_gate_decisions"),
    )
    scores = candidates.score_holdout(scoring_models.each(training_sets), frames.rows(dbt.ref("candidates")), kept)
    return frames.relation(session, candidates.HOLDOUT_SCHEMA, scores)
