"""Score tonight's population with the challengers, if there are any.

Python because a boosted ensemble has no SQL form that is both exact and fast.
"""

from nightbook.catalog import scoring_models
from nightbook.engine import frames
from nightbook.scoring import challenger_scores


def model(dbt, session):
    dbt.config(materialized="table")
    populations = {
        "account_pd": (dbt.ref("accounts_tonight"), "account_id"),
        "application_pd": (dbt.ref("applications_tonight"), "application_id"),
    }
    return challenger_scores.scores(session, frames.rows(dbt.ref("challengers")), scoring_models.each(populations))


def _comes_after(dbt):
    # Never called. dbt takes the reference from the file. The published scores are built first.
    dbt.ref("fct_score_partitions")
