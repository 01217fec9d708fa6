"""Column lineage: read from the SQL that ran, or declared in YAML for what is not SQL.

An edge leads from a column of one relation to a column of another. Its kind is a term of OpenLineage:

- IDENTITY: the value is passed on unchanged.
- TRANSFORMATION: the value is computed row by row.
- AGGREGATION: several rows are combined.
- INDIRECT: no value flows. A constant depends on the columns that decide in which rows it appears.

Some relations hold rows of several scoring models, which the column model_name separates. An edge names the model whose
rows are meant on either side, so that the origins of two models never mix.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import pyarrow as pa

from nightbook.catalog import scoring_models

IDENTITY, TRANSFORMATION, AGGREGATION, INDIRECT = "IDENTITY", "TRANSFORMATION", "AGGREGATION", "INDIRECT"
STRENGTH = (IDENTITY, TRANSFORMATION, AGGREGATION, INDIRECT)
# The column that separates the rows of different models.
COLUMN = "model_name"
# The rows of each model come from its own rows.
EACH = "each"

SCHEMA = pa.schema(
    [
        ("manifest_digest", pa.string()),
        ("cadence", pa.string()),
        ("from_relation", pa.string()),
        ("from_column", pa.string()),
        ("to_relation", pa.string()),
        ("to_column", pa.string()),
        ("transformation", pa.string()),
        ("from_model_name", pa.string()),
        ("to_model_name", pa.string()),
    ]
)

# The model whose rows are meant on either side. None means the rows of all models.
Pairs = list[tuple[str | None, str | None]]
# Relation -> column names in order.
Columns = Mapping[str, list[str]]
# Relation, column, and the model whose rows are meant. None means all rows.
Node = tuple[str, str, str | None]
# Column -> the model whose rows are meant, and the next column upstream or downstream.
Steps = dict[tuple[str, str], list[tuple[str | None, Node]]]


@dataclass(frozen=True)
class Edge:
    """One column's dependence on another. A relation is schema.name, or models:/NAME for a model of the registry.

    Where a relation holds rows of several models, *_model_name names the model. None means the rows of all models.
    """

    from_relation: str
    from_column: str
    to_relation: str
    to_column: str
    transformation: str
    from_model_name: str | None = None
    to_model_name: str | None = None


FIELDS = tuple(one.name for one in fields(Edge))


def features() -> dict[str, tuple[str, str]]:
    """Scoring model -> the relations whose columns are its inputs, tonight's and training's."""
    return {
        name: (f"features.{model.features}", f"features.{model.cohort_features}")
        for name, model in scoring_models.read().items()
    }


def same_models() -> Pairs:
    """Each model's rows come from its own rows."""
    return [(name, name) for name in scoring_models.read()]


def steps(edges: Iterable[Mapping], *, upstream: bool = True) -> Steps:
    """Map each column to the columns that it comes from, or with upstream=False to the columns made from it.

    Args:
        edges: rows with the fields of `Edge`.
        upstream: the direction of the steps.
    """
    found: Steps = {}
    for edge in edges:
        source, target = _end(edge, "from"), _end(edge, "to")
        here, there = (target, source) if upstream else (source, target)
        found.setdefault(here[:2], []).append((here[2], there))
    return found


def _end(edge: Mapping, end: str) -> Node:
    # Edges that an earlier version of the code kept do not name a model.
    return edge[f"{end}_relation"], edge[f"{end}_column"], edge.get(f"{end}_model_name")


def reached(start: Node, leads: Steps) -> dict[Node, Node | None]:
    """Every column that the steps reach, with the column before it on a shortest path. The start has None.

    A path that reached the rows of one model continues only through steps of that model or of all models.
    """
    came_from: dict[Node, Node | None] = {start: None}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for whose, there in sorted(leads.get(node[:2], ()), key=lambda step: [one or "" for one in step[1]]):
            if there not in came_from and (None in (whose, node[2]) or whose == node[2]):
                came_from[there] = node
                waiting.append(there)
    return came_from


def path(node: Node, came_from: Mapping[Node, Node | None]) -> list[Node]:
    """The path from the start of a walk to a column that it reached."""
    found = [node]
    while (before := came_from[found[-1]]) is not None:
        found.append(before)
    return found[::-1]
