"""Register the candidates that passed every blocking rule of the gate. The champion does not change.

Python because the registry is MLflow.
"""

from nightbook.engine import frames
from nightbook.modelling import candidates


def model(dbt, session):
    dbt.config(materialized="table")
    run = frames.rows(dbt.ref("int_run"))[0]
    registered = candidates.register(frames.rows(dbt.ref("int_gate_outcomes")), run["run_id"])
    return frames.records(session, candidates.REGISTRATION_SCHEMA, registered)
