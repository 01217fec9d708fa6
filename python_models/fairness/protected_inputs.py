"""Follow each protected attribute from its landing table, and list tonight's model inputs that it reaches.

Python because the walk goes through a graph of unknown depth.
"""

from nightbook.engine import frames
from nightbook.lineage import builds
from nightbook.modelling import fairness


def model(dbt, session):
    dbt.config(materialized="table")
    code = frames.rows(dbt.ref("run_provenance"))[0]
    edges = builds.of_code(dbt.ref("input_lineage"), code["manifest_digest"])
    catalog, attributes = frames.rows(dbt.ref("feature_catalog")), frames.rows(dbt.ref("protected_attributes"))
    return frames.records(session, fairness.PATH_SCHEMA, fairness.protected_inputs(edges, catalog, attributes))
