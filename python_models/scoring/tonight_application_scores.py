"""Score tonight's applications with the champion.

Python because a boosted ensemble has no SQL form that is both exact and fast.
"""

from nightbook.engine import frames
from nightbook.scoring import scorer


def model(dbt, session):
    dbt.config(materialized="table")
    champions = frames.rows(dbt.ref("champions"))
    return scorer.scores(session, champions, "application_pd", dbt.ref("applications_tonight"), "application_id")


def _comes_after(dbt):
    # Never called. dbt takes the reference from the file. Its drift tests must pass before anything is scored.
    dbt.ref("fct_feature_psi")
