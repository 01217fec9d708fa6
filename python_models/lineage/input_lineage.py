"""Read from the SQL which columns tonight's model inputs come from, before any score. Read once per code version.

Python because SQL needs a parser.
"""

from nightbook.engine import frames
from nightbook.lineage import builds, graph


def model(dbt, session):
    dbt.config(materialized="table")
    code = frames.rows(dbt.ref("run_provenance"))[0]
    inputs = {row["name"] for row in frames.rows(dbt.ref("feature_catalog"))}
    edges = builds.of_inputs(session, "nightly", code["manifest_digest"], inputs)
    return frames.relation(session, graph.SCHEMA, edges.to_batches())


def _comes_after(dbt):
    # Never called. dbt takes the references from the file, so that all SQL upstream of the features is compiled first.
    dbt.ref("feat_accounts")
    dbt.ref("feat_applications")
