"""Measure each candidate against the champion: discrimination, calibration, stability, monotonicity.

Python because DeLong's variance, the bootstrap and a sweep of the fitted model have no practical SQL form.
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
    found = candidates.measure(
        scoring_models.each(training_sets), frames.rows(dbt.ref("candidates")), dbt.ref("holdout_scores")
    )
    return frames.records(session, candidates.MEASUREMENT_SCHEMA, found)
