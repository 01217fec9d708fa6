"""Read off the SQL which columns training's model inputs are made of, before any fit; once for each code version.

Python because SQL has to be read by a parser.
"""

from nightbook import lineage
from nightbook.engine import frames


def model(dbt, session):
    dbt.config(materialized="table")
    code = frames.rows(dbt.ref("run_provenance"))[0]
    inputs = {row["name"] for row in frames.rows(dbt.ref("feature_catalog"))}
    edges = lineage.of_inputs(session, "weekly", code["manifest_digest"], inputs)
    return frames.records(session, lineage.SCHEMA, edges)


def _comes_after(dbt):
    # Never called: dbt reads the references from the file. All SQL upstream of the features is compiled by then.
    dbt.ref("feat_cohort_accounts")
    dbt.ref("feat_cohort_applications")
