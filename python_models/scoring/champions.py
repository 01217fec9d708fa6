"""Ask the registry, once a run, which version of each model scores, and check its bytes before anything is written.

Python because the registry is MLflow.
"""

from nightbook import frames, scoring


def model(dbt, session):
    dbt.config(materialized="table")
    # Not read: nothing is scored while a protected attribute is an input.
    dbt.ref("protected_inputs")
    populations = {"account_pd": dbt.ref("accounts_tonight"), "application_pd": dbt.ref("applications_tonight")}
    run = frames.rows(dbt.ref("int_run"))[0]
    return frames.records(session, scoring.CHAMPION_SCHEMA, scoring.champions(populations, run["pinned_versions"]))
