"""Bring the training population of each champion, bin by bin, into the warehouse: what drift is measured against.

Python because the profile is part of the model's artifact.
"""

from nightbook import frames, scoring


def model(dbt, session):
    dbt.config(materialized="table")
    return frames.records(session, scoring.PROFILE_SCHEMA, scoring.profiles(frames.rows(dbt.ref("champions"))))
