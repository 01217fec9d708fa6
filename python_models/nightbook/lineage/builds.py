"""The column lineage of what dbt built: kept by code version, read from its SQL once."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace

import pyarrow as pa
import pyarrow.compute as pc

from nightbook.catalog import scoring_models
from nightbook.engine import deployment, frames, home
from nightbook.errors import NightbookError
from nightbook.lineage.declarations import of_declaration
from nightbook.lineage.graph import COLUMN, FIELDS, INDIRECT, SCHEMA, Columns, Edge, features

# Cadence -> the relation that keeps the edges upstream of its inputs.
_INPUT_LINEAGE = {"nightly": "audit.input_lineage", "weekly": "audit.input_lineage_weekly"}


def of_run(
    session: frames.Session, cadence: str, manifest_digest: str, inputs: Collection[str], upstream: frames.Frame
) -> pa.Table:
    """Edges of one cadence for every code version so far, as `SCHEMA` has them. Each version's SQL is read once.

    Args:
        session: the engine's session.
        cadence: nightly or weekly. Earlier edges are in audit.lineage_<cadence>.
        manifest_digest: digest of the code that runs.
        inputs: names of the model inputs.
        upstream: what `of_inputs` gave, whose SQL this run has already read.
    """
    columns = frames.columns(session)
    kept = _kept(session, columns, f"audit.lineage_{cadence}")
    if _of_code(kept, manifest_digest).num_rows:
        return kept
    read: dict[str, list[Edge]] = {}
    for row in of_code(upstream, manifest_digest):
        read.setdefault(row["to_relation"], []).append(Edge(*(row[name] for name in FIELDS)))
    edges = of_project(_nodes(), columns, inputs, cadence, read)
    return _with_edges(kept, edges, manifest_digest, cadence)


def of_inputs(session: frames.Session, cadence: str, manifest_digest: str, inputs: Collection[str]) -> pa.Table:
    """Edges upstream of the feature relations of a cadence, for every code version so far, as `SCHEMA` has them.

    Args:
        session: the engine's session.
        cadence: nightly or weekly. Its SQL is read unless an earlier run with this code has read it.
        manifest_digest: digest of the code that runs.
        inputs: names of the model inputs.
    """
    columns = frames.columns(session)
    kept = _kept(session, columns, _INPUT_LINEAGE[cadence])
    if _of_code(kept, manifest_digest).num_rows:
        return kept
    number = list(_INPUT_LINEAGE).index(cadence)
    edges = of_upstream(_nodes(), columns, inputs, [relations[number] for relations in features().values()])
    return _with_edges(kept, edges, manifest_digest, cadence)


def of_code(edges: frames.Frame, manifest_digest: str) -> list[dict]:
    """The edges of one code version as dictionaries, from a relation that holds those of all."""
    return _of_code(frames.table(edges), manifest_digest).to_pylist()


def nodes() -> list[dict]:
    """List the nodes of dbt's last run: relations, their tags, what they declare, and the SQL that ran.

    Returns:
        One dictionary per model, snapshot and seed: name, relation (schema.name), kind (model, snapshot or seed), tags,
        declared, engine, and sql. `sql` is None for what is not SQL or was not compiled.
    """
    target = home.home() / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    compiled = target / "compiled" / "nightbook"
    found = []
    for node in manifest["nodes"].values():
        if node["resource_type"] not in ("model", "snapshot", "seed"):
            continue
        file = compiled / node["original_file_path"]
        is_sql = node["resource_type"] != "seed" and node.get("language") == "sql" and file.exists()
        found.append(
            {
                "name": node["name"],
                "relation": f"{node['schema']}.{node['alias']}",
                "kind": node["resource_type"],
                "tags": node["config"]["tags"],
                "declared": node["config"]["meta"].get("column_lineage"),
                "engine": manifest["metadata"]["adapter_type"],
                "sql": file.read_text() if is_sql else None,
            }
        )
    return found


def of_project(
    nodes: Collection[dict],
    columns: Columns,
    inputs: Collection[str],
    tag: str,
    read: Mapping[str, list[Edge]] | None = None,
) -> list[Edge]:
    """Edges between the relations of one cadence.

    Args:
        nodes: as returned by `nodes`.
        columns: the columns of every relation of the warehouse.
        inputs: names of the model inputs.
        tag: the cadence's tag; nodes without it are skipped.
        read: relation -> edges into it, where they are known already.

    Raises:
        NightbookError: some SQL cannot be read and nothing is declared instead, or a declaration is wrong.
    """
    relations = {node["name"]: node["relation"] for node in nodes}
    edges = []
    for node in nodes:
        relation = node["relation"]
        if relation not in columns or tag not in node["tags"]:
            continue
        edges += read[relation] if read and relation in read else _into(node, columns, relations, inputs)
    return _told_apart(edges, columns)


def of_upstream(
    nodes: Collection[dict], columns: Columns, inputs: Collection[str], targets: Iterable[str]
) -> list[Edge]:
    """Edges of some relations and of everything upstream of them, back to the landed tables.

    Args:
        nodes, columns, inputs: as `of_project`.
        targets: relations, schema.name.

    Raises:
        NightbookError: as `of_project`, or an upstream model was not compiled, so that its origins are unknown.
    """
    relations = {node["name"]: node["relation"] for node in nodes}
    made_by = {node["relation"]: node for node in nodes}
    edges: list[Edge] = []
    seen, waiting = set(), sorted(targets, reverse=True)
    while waiting:
        relation = waiting.pop()
        if relation in seen or relation not in made_by or relation not in columns:
            continue
        seen.add(relation)
        node = made_by[relation]
        if not node["declared"] and node["sql"] is None and node["kind"] != "seed":
            raise NightbookError(
                f"{relation}: its SQL was not compiled, and the lineage of model inputs needs it: build the whole "
                "cadence, `dbt build --selector nightly` or weekly"
            )
        found = _into(node, columns, relations, inputs)
        edges += found
        waiting += sorted({edge.from_relation for edge in found}, reverse=True)
    return edges


def _into(node: dict, columns: Columns, relations: Mapping[str, str], inputs: Collection[str]) -> list[Edge]:
    """Edges into one node's relation: as declared, or else read from its SQL."""
    if node["declared"]:
        return of_declaration(node["declared"], node["relation"], columns, relations, inputs)
    if node["sql"] is None:
        return []
    # A parser that most nights do not need.
    from nightbook.lineage.queries import of_sql

    return of_sql(node["sql"], node["relation"], columns, node["engine"])


def _told_apart(edges: list[Edge], columns: Columns) -> list[Edge]:
    """Remove edges about rows that do not exist, and name the model where a relation holds only some models' rows.

    A query that reads the union of two relations seems to say that both hold rows of every model. The origins of a
    relation's model_name show which models it really holds.
    """
    all_models = set(scoring_models.read())
    models: dict[str, set[str]] = {
        edge.to_relation: set() for edge in edges if edge.to_column == COLUMN and COLUMN in columns[edge.to_relation]
    }
    # A value made only of model_name columns is itself a model's name.
    is_made_of_names = {
        relation: all(
            edge.from_column == COLUMN
            for edge in edges
            if (edge.to_relation, edge.to_column) == (relation, COLUMN) and edge.transformation != INDIRECT
        )
        for relation in models
    }
    before = None
    while before != (before := {relation: len(held) for relation, held in models.items()}):
        for edge in edges:
            if edge.to_column == COLUMN and edge.to_relation in models:
                if (
                    edge.transformation == INDIRECT
                    and edge.to_model_name is None
                    and is_made_of_names[edge.to_relation]
                ):
                    continue
                is_same = edge.from_column == COLUMN and is_made_of_names[edge.to_relation]
                held = models.get(edge.from_relation, all_models) if is_same else all_models
                named = {edge.from_model_name, edge.to_model_name} - {None} or all_models
                models[edge.to_relation] |= held & named

    def whose(relation: str, name: str | None) -> list[str | None]:
        held = models.get(relation) or all_models
        if name is None:
            return [*held] if len(held) < len(all_models) else [None]
        return [name] if name in held else []

    return [
        replace(edge, from_model_name=theirs, to_model_name=ours)
        for edge in edges
        for theirs in whose(edge.from_relation, edge.from_model_name)
        for ours in whose(edge.to_relation, edge.to_model_name)
    ]


def _kept(session: frames.Session, columns: Columns, relation: str) -> pa.Table:
    if relation not in columns:
        return SCHEMA.empty_table()
    found = frames.kept(session, relation)
    # Edges that an earlier version of the code kept do not name a model.
    missing = [name for name in SCHEMA.names if name not in found.column_names]
    for name in missing:
        found = found.append_column(name, pa.nulls(found.num_rows, SCHEMA.field(name).type))
    return found.select(SCHEMA.names).cast(SCHEMA)


def _of_code(edges: pa.Table, manifest_digest: str) -> pa.Table:
    return edges.filter(pc.equal(edges["manifest_digest"], manifest_digest))


def _nodes() -> list[dict]:
    staged = deployment.nodes()
    return nodes() if staged is None else staged


def _with_edges(kept: pa.Table, edges: Iterable[Edge], manifest_digest: str, cadence: str) -> pa.Table:
    found = [{"manifest_digest": manifest_digest, "cadence": cadence, **asdict(edge)} for edge in dict.fromkeys(edges)]
    return pa.concat_tables([kept, pa.Table.from_pylist(found, schema=SCHEMA)])
