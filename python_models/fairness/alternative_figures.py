"""Compare the alternatives of this training with its selected candidate, in performance and in fairness.

Python because DeLong's variance and the paired bootstrap have no practical SQL form.
"""

from nightbook.engine import frames
from nightbook.modelling import fairness


def model(dbt, session):
    dbt.config(materialized="table")
    scores = frames.table(dbt.ref("alternative_scores"), ("model_name", "role", "entity_id", "as_of_date"))
    counts = frames.rows(dbt.ref("alternative_counts"), ("model_name", "role", "attribute", "group_name"))
    return frames.records(session, fairness.FIGURE_SCHEMA, fairness.alternatives(scores, counts))
