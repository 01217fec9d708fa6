"""Mirror the registry's versions into the warehouse, where reviewers can join them.

Python because the registry is MLflow.
"""

from nightbook import frames, registry


def model(dbt, session):
    dbt.config(materialized="table")
    return frames.records(session, registry.VERSION_SCHEMA, registry.all_versions())


def _comes_after(dbt):
    # Never called: dbt reads the reference from the file, so that a training's registrations are mirrored too.
    dbt.ref("registrations")
