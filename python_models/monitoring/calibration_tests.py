"""Test the PD of each grade against the observed defaults.

Python because the beta distribution has no SQL form.
"""

from nightbook.engine import frames
from nightbook.modelling import calibration_tests


def model(dbt, session):
    dbt.config(materialized="table")
    keys = ("model_name", "model_version", "cohort_date", "risk_grade")
    tested = calibration_tests.calibration_tests(frames.table(dbt.ref("calibration_counts"), keys))
    return frames.relation(session, tested.schema, tested.to_batches())
