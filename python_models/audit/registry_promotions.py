"""Mirror every move of the champion alias into the warehouse.

Python because the registry is MLflow.
"""

from nightbook import frames, registry


def model(dbt, session):
    dbt.config(materialized="table")
    return frames.records(session, registry.PROMOTION_SCHEMA, registry.all_promotions())
