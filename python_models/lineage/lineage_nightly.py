"""Read the column lineage of a nightly run from its SQL. Read once per code version.

Python because SQL needs a parser.
"""

from nightbook.engine import frames
from nightbook.lineage import builds, graph


def model(dbt, session):
    dbt.config(materialized="table")
    code = frames.rows(dbt.ref("run_provenance"))[0]
    catalog = frames.rows(dbt.ref("feature_catalog"))
    inputs = {row["name"] for row in catalog}
    upstream = dbt.ref("input_lineage")
    edges = builds.of_run(session, "nightly", code["manifest_digest"], inputs, upstream)
    return frames.relation(session, graph.SCHEMA, edges.to_batches())


def _comes_after(dbt):
    # Never called. dbt takes the references from the file, so that all SQL of the run is compiled first.
    dbt.ref("fct_calibration")
    dbt.ref("fct_challenger_comparison")
    dbt.ref("fairness_of_nights")
    dbt.ref("fct_fairness")
    dbt.ref("fct_model_performance")
    dbt.ref("fct_provisions")
    dbt.ref("fct_score_partitions")
    dbt.ref("rpt_regulatory_features")
    dbt.ref("snap_account_attributes")
    dbt.ref("snap_champions")
    dbt.ref("underwriting_queue")
