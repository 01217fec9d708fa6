"""List the training population of each champion, bin by bin. Drift is measured against it.

Python because the profile is part of the model's artifact.
"""

from nightbook.engine import frames
from nightbook.scoring import scorer


def model(dbt, session):
    dbt.config(materialized="table")
    return frames.records(session, scorer.PROFILE_SCHEMA, scorer.profiles(frames.rows(dbt.ref("champions"))))
