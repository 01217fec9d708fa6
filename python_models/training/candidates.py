"""Fit a candidate for every scoring model and log it to MLflow.

Python because a boosted ensemble has no SQL form that is both exact and fast.
"""

from nightbook.catalog import scoring_models
from nightbook.engine import frames
from nightbook.modelling import candidates


def model(dbt, session):
    dbt.config(materialized="table")
    training_sets = {
        "account_pd": dbt.ref("training_set_account_pd"),
        "application_pd": dbt.ref("training_set_application_pd"),
    }
    run = frames.rows(dbt.ref("int_run"))[0]
    landed = frames.rows(dbt.ref("int_input_profile"), ("table_name", "column_name", "measure", "category"))
    found = candidates.fit(scoring_models.each(training_sets), frames.rows(dbt.ref("feature_catalog")), run, landed)
    return frames.records(session, candidates.CANDIDATE_SCHEMA, found)


def _comes_after(dbt):
    # Never called. dbt takes the reference from the file.
    # Nothing is fitted while a protected attribute reaches an input.
    dbt.ref("protected_inputs_weekly")
