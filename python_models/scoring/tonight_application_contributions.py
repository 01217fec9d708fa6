"""Attribute each application's score to its inputs, exactly.

Python because tree contributions are computed by walking the ensemble.
"""

from nightbook.engine import frames
from nightbook.scoring import scorer


def model(dbt, session):
    dbt.config(materialized="table")
    champions = frames.rows(dbt.ref("champions"))
    return scorer.contributions(session, champions, "application_pd", dbt.ref("applications_tonight"), "application_id")


def _comes_after(dbt):
    # Never called. dbt takes the reference from the file. Its drift tests must pass before anything is explained.
    dbt.ref("fct_feature_psi")
