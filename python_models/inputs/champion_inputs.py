"""Bring what each champion's training saw of the landing tables into the warehouse: what tonight's input is judged by.

Python because the profile is part of the model's artifact.
"""

from nightbook import frames, scoring


def model(dbt, session):
    dbt.config(materialized="table")
    night = frames.rows(dbt.ref("int_night"))[0]
    return frames.records(session, scoring.INPUT_SCHEMA, scoring.input_profiles(night["pinned_versions"]))
