"""Read the column lineage of a weekly run from its SQL. Read once per code version.

Python because SQL needs a parser.
"""

from nightbook.engine import frames
from nightbook.lineage import builds, graph


def model(dbt, session):
    dbt.config(materialized="table")
    code = frames.rows(dbt.ref("run_provenance"))[0]
    catalog = frames.rows(dbt.ref("feature_catalog"))
    inputs = {row["name"] for row in catalog}
    upstream = dbt.ref("input_lineage_weekly")
    edges = builds.of_run(session, "weekly", code["manifest_digest"], inputs, upstream)
    return frames.relation(session, graph.SCHEMA, edges.to_batches())


def _comes_after(dbt):
    # Never called. dbt takes the references from the file, so that all SQL of the run is compiled first.
    dbt.ref("fairness_of_trainings")
    dbt.ref("fct_fairness")
    dbt.ref("fct_fairness_alternatives")
    dbt.ref("fct_gate_decisions")
    dbt.ref("registrations")
