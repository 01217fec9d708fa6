"""Which column came from which: read off the SQL that ran, declared for what is not SQL.

An edge leads from a column of one relation to a column of another. It is IDENTITY where the value is handed on as it
is, TRANSFORMATION where it is computed row by row, AGGREGATION where rows are folded, and INDIRECT where no value
flows: a constant depends on the columns that decide which rows it stands in. The words are OpenLineage's.

Some relations hold rows of several scoring models, told apart by their column model_name. An edge says whose rows it is
about on either side, so that what one model was made of is never taken for what the other was.
"""

import json
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, find_all_in_scope
from sqlglot.schema import MappingSchema

from nightbook.engine import deployment, frames, home
from nightbook.errors import NightbookError
from nightbook.model_rows import COLUMN, EACH, ModelRows, Origins

IDENTITY, TRANSFORMATION, AGGREGATION, INDIRECT = "IDENTITY", "TRANSFORMATION", "AGGREGATION", "INDIRECT"
_STRENGTH = (IDENTITY, TRANSFORMATION, AGGREGATION, INDIRECT)

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

# Scoring model -> the relations whose columns are its inputs, tonight's and training's.
FEATURES = {
    "account_pd": ("features.feat_accounts", "features.feat_cohort_accounts"),
    "application_pd": ("features.feat_applications", "features.feat_cohort_applications"),
}
# Cadence -> where the edges upstream of its inputs are kept.
_INPUT_LINEAGE = {"nightly": "audit.input_lineage", "weekly": "audit.input_lineage_weekly"}
# Whose rows on either side; everybody's without a model.
Pairs = list[tuple[str | None, str | None]]
_SAME_MODELS: Pairs = [(name, name) for name in FEATURES]
# relation -> column names in order
Columns = Mapping[str, list[str]]
# Relation, column, and the model whose rows are meant; all rows without one.
Node = tuple[str, str, str | None]
# Column -> for whose rows, and the column that it is made of, or that is made of it.
Steps = dict[tuple[str, str], list[tuple[str | None, Node]]]
_REGISTERED = "models:/"


@dataclass(frozen=True)
class Edge:
    """One column's dependence on another; relations are schema.name, or models:/NAME for a model of the registry.

    Where a relation holds rows of several models, *_model_name says whose are meant; None means everybody's.
    """

    from_relation: str
    from_column: str
    to_relation: str
    to_column: str
    transformation: str
    from_model_name: str | None = None
    to_model_name: str | None = None


_EDGE = tuple(one.name for one in fields(Edge))


def of_sql(sql: str, relation: str, columns: Columns, written_for: str = "duckdb") -> list[Edge]:
    """Edges into a relation from those that its SQL reads.

    Args:
        sql: one query, as it ran.
        relation: what it fills, schema.name; columns that the query gives and the relation lacks are passed over.
        columns: of every relation that it reads, and its own.
        written_for: the engine whose dialect it is in.

    Raises:
        NightbookError: the SQL cannot be read.
    """
    # What was read is followed by DuckDB's rules, by which a name is the same in every case.
    dialect = "duckdb"
    schema: dict = {}
    for name, found in columns.items():
        database, _, table = name.rpartition(".")
        schema.setdefault(database, {})[table] = dict.fromkeys(found, "varchar")
    try:
        tree = sqlglot.parse_one(sql, read=written_for)
        for read in tree.find_all(exp.Table):
            read.set("catalog", None)
        tree = qualify(
            tree,
            schema=MappingSchema(schema, dialect=dialect),
            dialect=dialect,
            validate_qualify_columns=False,
            quote_identifiers=False,
            identify=False,
        )
        root = build_scope(tree)
        if root is None:
            raise NightbookError(f"{relation}: its SQL cannot be read for lineage: it is no select")
        walker = _Walker(columns)
        own = set(columns.get(relation, ()))
        edges = []
        for position, name in enumerate(_names(root)):
            if own and name not in own:
                continue
            for (origin, column, theirs, ours), transformation in walker.origins(root, position).items():
                ours = ours if COLUMN in own else None
                pairs = _SAME_MODELS if theirs == EACH else [(theirs, ours)]
                edges += [Edge(origin, column, relation, name, transformation, *pair) for pair in pairs]
        return sorted(edges, key=lambda edge: [getattr(edge, one) or "" for one in _EDGE])
    except sqlglot.errors.SqlglotError as error:
        raise NightbookError(f"{relation}: its SQL cannot be read for lineage: {str(error).splitlines()[0]}") from error


def of_declaration(
    declared: Iterable[dict], relation: str, columns: Columns, relations: Mapping[str, str], inputs: Collection[str]
) -> list[Edge]:
    """Edges into a relation from what the YAML of its Python model declares.

    Args:
        declared: entries with `to` (columns; all without one), `from` (model, or models:/NAME -> columns, '*' for all,
            or `inputs` for those that are model inputs) and `by` (a transformation). IDENTITY leads from each column to
            its namesake. `into` names another target. `model` says whose rows are meant where a relation holds those of
            several models: a model's name, or `each` where the rows of each are made of its own.
        relation: schema.name.
        columns: of every relation.
        relations: model name -> schema.name.
        inputs: names of the model inputs.

    Raises:
        NightbookError: a declaration names what does not exist.
    """
    edges = []
    for entry in declared:
        into = entry.get("into", relation)
        targets = entry.get("to") or columns[relation]
        for source, named in entry["from"].items():
            is_external = source.startswith(_REGISTERED)
            origin = source if is_external else relations.get(source)
            if origin is None:
                raise NightbookError(f"{relation}: lineage declared from {source}, which is no model")
            there = columns.get(origin, [])
            chosen = (
                there if named == "*" else [name for name in there if name in inputs] if named == "inputs" else named
            )
            unknown = [] if is_external else [name for name in chosen if name not in there]
            if unknown:
                raise NightbookError(f"{relation}: lineage declared from {origin}.{unknown[0]}, which does not exist")
            edges += [
                Edge(origin, name, into, target, entry["by"], *pair)
                for pair in _declared_models(entry.get("model"), origin, into, columns)
                for target in targets
                for name in chosen
                if entry["by"] != IDENTITY or name == target
            ]
    return edges


def _declared_models(model: str | None, origin: str, into: str, columns: Columns) -> Pairs:
    """Whose rows of the origin make whose rows of the target."""
    if model not in (None, EACH, *FEATURES):
        raise NightbookError(f"{into}: lineage declared of {model}, which is no scoring model")
    is_split = [COLUMN in columns.get(relation, ()) for relation in (origin, into)]
    for relation in (origin, into):
        if relation.startswith(_REGISTERED):
            model = relation.removeprefix(_REGISTERED)
    if model is None and all(is_split):
        raise NightbookError(
            f"{into}: lineage declared from {origin} must say `model`: both hold rows of several models"
        )
    if model == EACH:
        if not all(is_split):
            raise NightbookError(
                f"{into}: lineage declared from {origin} of each model, but one of the two has no model_name"
            )
        return _SAME_MODELS
    return [(model if is_split[0] else None, model if is_split[1] else None)]


def of_run(
    session: frames.Session, cadence: str, manifest_digest: str, inputs: Collection[str], upstream: Iterable[dict] = ()
) -> list[dict]:
    """Edges of one cadence by every version of the code so far, rows of `SCHEMA`; SQL is read once for each.

    Args:
        session: the engine's.
        cadence: nightly or weekly; what is kept stands in audit.lineage_<cadence>.
        manifest_digest: of the code that runs.
        inputs: names of the model inputs.
        upstream: rows of `of_inputs`, whose SQL this run has read already.
    """
    columns = frames.columns(session)
    kept = _kept(session, columns, f"audit.lineage_{cadence}")
    if any(row["manifest_digest"] == manifest_digest for row in kept):
        return kept
    read: dict[str, list[Edge]] = {}
    for row in upstream:
        if row["manifest_digest"] == manifest_digest:
            read.setdefault(row["to_relation"], []).append(Edge(*(row[name] for name in _EDGE)))
    edges = of_project(_nodes(), columns, inputs, cadence, read)
    return kept + _rows(edges, manifest_digest, cadence)


def of_inputs(session: frames.Session, cadence: str, manifest_digest: str, inputs: Collection[str]) -> list[dict]:
    """Edges upstream of the feature relations of a cadence, by every version of the code so far, rows of `SCHEMA`.

    Args:
        session: the engine's.
        cadence: nightly or weekly; its SQL is read where no earlier run with this code has.
        manifest_digest: of the code that runs.
        inputs: names of the model inputs.
    """
    columns = frames.columns(session)
    kept = _kept(session, columns, _INPUT_LINEAGE[cadence])
    if any(row["manifest_digest"] == manifest_digest for row in kept):
        return kept
    number = list(_INPUT_LINEAGE).index(cadence)
    edges = of_upstream(_nodes(), columns, inputs, [relations[number] for relations in FEATURES.values()])
    return kept + _rows(edges, manifest_digest, cadence)


def nodes() -> list[dict]:
    """What dbt knows of its last run: relations, their tags, what they declare, and the SQL that ran.

    Returns:
        One dictionary per model, snapshot and seed: name, relation (schema.name), kind (model, snapshot or seed), tags,
        declared, engine, and sql, null for what is not SQL or was not compiled.
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


def steps(edges: Iterable[Mapping], *, upstream: bool = True) -> Steps:
    """What each column is made of, or with upstream=False what is made of it.

    Args:
        edges: rows with the fields of `Edge`.
    """
    found: Steps = {}
    for edge in edges:
        source, target = _end(edge, "from"), _end(edge, "to")
        here, there = (target, source) if upstream else (source, target)
        found.setdefault(here[:2], []).append((here[2], there))
    return found


def _end(edge: Mapping, end: str) -> Node:
    # What an earlier version of the code has kept does not say whose rows are meant.
    return edge[f"{end}_relation"], edge[f"{end}_column"], edge.get(f"{end}_model_name")


def reached(start: Node, leads: Steps) -> dict[Node, Node | None]:
    """Every column that some steps lead to, with the one before it on a shortest path; the start has none.

    A path that came to the rows of one model goes on by steps of that model, or of all, alone.
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
    """From the start of a walk to a column that it reached."""
    found = [node]
    while (before := came_from[found[-1]]) is not None:
        found.append(before)
    return found[::-1]


def of_project(
    nodes: Collection[dict],
    columns: Columns,
    inputs: Collection[str],
    tag: str,
    read: Mapping[str, list[Edge]] | None = None,
) -> list[Edge]:
    """Edges between the relations of one cadence.

    Args:
        nodes: as `nodes` gives them.
        columns: of every relation of the warehouse.
        inputs: names of the model inputs.
        tag: of the cadence; nodes without it are passed over.
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
    """Edges of everything that some relations are made of, themselves included, back to what landed.

    Args:
        nodes, columns, inputs: as `of_project`.
        targets: relations, schema.name.

    Raises:
        NightbookError: as `of_project`; or something on the way was not compiled: nobody knows what it is made of.
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
                f"{relation}: its SQL was not compiled, and what model inputs are made of hangs on it: build the whole "
                "cadence, `dbt build --selector nightly` or weekly"
            )
        found = _into(node, columns, relations, inputs)
        edges += found
        waiting += sorted({edge.from_relation for edge in found}, reverse=True)
    return edges


def _into(node: dict, columns: Columns, relations: Mapping[str, str], inputs: Collection[str]) -> list[Edge]:
    """Edges into one node's relation: as declared, else off its SQL."""
    if node["declared"]:
        return of_declaration(node["declared"], node["relation"], columns, relations, inputs)
    return [] if node["sql"] is None else of_sql(node["sql"], node["relation"], columns, node["engine"])


def _told_apart(edges: list[Edge], columns: Columns) -> list[Edge]:
    """The edges without those about rows that no relation holds; all into rows of one model are that model's.

    A query that reads two relations as one says of both that they hold rows of every model. What a relation holds is
    what its model_name can be.
    """
    models: dict[str, set[str]] = {
        edge.to_relation: set() for edge in edges if edge.to_column == COLUMN and COLUMN in columns[edge.to_relation]
    }
    # Whatever is made of names alone is one of them.
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
                held = models.get(edge.from_relation, set(FEATURES)) if is_same else set(FEATURES)
                named = {edge.from_model_name, edge.to_model_name} - {None} or set(FEATURES)
                models[edge.to_relation] |= held & named

    def whose(relation: str, name: str | None) -> list[str | None]:
        held = models.get(relation) or set(FEATURES)
        if name is None:
            return [*held] if len(held) < len(FEATURES) else [None]
        return [name] if name in held else []

    return [
        replace(edge, from_model_name=theirs, to_model_name=ours)
        for edge in edges
        for theirs in whose(edge.from_relation, edge.from_model_name)
        for ours in whose(edge.to_relation, edge.to_model_name)
    ]


def _kept(session: frames.Session, columns: Columns, relation: str) -> list[dict]:
    return frames.kept(session, relation) if relation in columns else []


def _nodes() -> list[dict]:
    staged = deployment.nodes()
    return nodes() if staged is None else staged


def _rows(edges: Iterable[Edge], manifest_digest: str, cadence: str) -> list[dict]:
    found = dict.fromkeys(edges)
    return [{"manifest_digest": manifest_digest, "cadence": cadence, **asdict(edge)} for edge in found]


def _names(scope: Scope) -> list[str]:
    return [one.alias_or_name for one in _selects(scope.expression)]


def _selects(query: exp.Expr) -> list[exp.Expr]:
    assert isinstance(query, exp.Selectable)
    return query.selects


@dataclass
class _Walker:
    """Walks from a projection down to the columns of relations; what was found once is remembered."""

    columns: Columns
    found: dict[tuple[int, int], Origins] = field(default_factory=dict)
    rows: dict[int, ModelRows] = field(default_factory=dict)

    def origins(self, scope: Scope, position: int) -> Origins:
        key = (id(scope), position)
        if key not in self.found:
            self.found[key] = {}  # a recursive query ends here
            self.found[key] = self._origins(scope, position)
        return self.found[key]

    def _origins(self, scope: Scope, position: int) -> Origins:
        if isinstance(scope.expression, exp.SetOperation):
            merged: Origins = {}
            for side in scope.set_operation_scopes:
                _merge(merged, self.origins(side, position), IDENTITY)
            return merged
        projection = _selects(scope.expression)[position]
        direct = self._of_expression(scope, projection)
        return direct or self._of_rows(scope)

    def _of_expression(self, scope: Scope, projection: exp.Expr) -> Origins:
        value = projection.unalias()
        if isinstance(value, exp.Column):
            kind = IDENTITY
        else:
            kind = AGGREGATION if value.find(exp.AggFunc) else TRANSFORMATION
        # A window over all models' rows makes one model's of another's.
        is_mixed = any(not self._of(scope).keeps_apart(one) for one in value.find_all(exp.Window))
        merged: Origins = {}
        for column in find_all_in_scope(projection, exp.Column):
            _merge(merged, self._of_column(scope, column.table, column.name, is_mixed), kind)
            for looked_up_by in _range_of(scope, column.table):
                _merge(merged, self._of_column(scope, looked_up_by.table, looked_up_by.name, is_mixed), INDIRECT)
        for inner in scope.subquery_scopes:
            if _is_within(inner.expression, projection):
                for position in range(len(_selects(inner.expression))):
                    _merge(merged, self._of(scope).seen(None, self.origins(inner, position), is_mixed=True), kind)
        return merged

    def _of_rows(self, scope: Scope) -> Origins:
        """A constant's: the columns that decide in which rows it stands."""
        clauses = [scope.expression.args.get(name) for name in ("where", "group", "having", "qualify")]
        clauses += scope.expression.args.get("joins") or []
        merged: Origins = {}
        for clause in clauses:
            for column in find_all_in_scope(clause, exp.Column) if clause else ():
                _merge(merged, self._of_column(scope, column.table, column.name), INDIRECT)
        if not merged:
            # Of those in sight, the ones it selects from: a query before it may have nothing to do with it.
            for alias, (_, source) in scope.selected_sources.items():
                for name in self._columns(source):
                    _merge(merged, self._of_column(scope, alias, name), INDIRECT)
        return merged

    def _of_column(self, scope: Scope, table: str, name: str, is_mixed: bool = False) -> Origins:
        source = scope.sources.get(table)
        found: Origins = {}
        if isinstance(source, exp.Table):
            whose = EACH if COLUMN in self._columns(source) else None
            found = {(_relation(source), name, whose, None): IDENTITY}
        elif isinstance(source, Scope):
            names = _names(source)
            if name in names:
                found = self.origins(source, names.index(name))
            else:
                for position in range(len(names)):
                    _merge(found, self.origins(source, position), TRANSFORMATION)
        return self._of(scope).seen(table, found, is_mixed)

    def _columns(self, source: exp.Table | Scope) -> Collection[str]:
        return _names(source) if isinstance(source, Scope) else self.columns.get(_relation(source), ())

    def _of(self, scope: Scope) -> ModelRows:
        if id(scope) not in self.rows:
            sources = scope.selected_sources.items()
            split = {alias for alias, (_, source) in sources if COLUMN in self._columns(source)}
            self.rows[id(scope)] = ModelRows.of(scope, split)
        return self.rows[id(scope)]


def _range_of(scope: Scope, table: str) -> list[exp.Column]:
    """Columns that a source is looked up by, where that is by a range: which row is found depends on their values."""
    for join in scope.expression.args.get("joins") or []:
        condition = join.args.get("on")
        if join.this.alias_or_name == table and condition and condition.find(exp.GT, exp.GTE, exp.LT, exp.LTE):
            return [column for column in find_all_in_scope(condition, exp.Column) if column.table != table]
    return []


def _relation(table: exp.Table) -> str:
    return f"{table.db}.{table.name}" if table.db else table.name


def _merge(into: Origins, found: Origins, kind: str) -> None:
    for origin, transformation in found.items():
        strongest = max(transformation, kind, key=_STRENGTH.index)
        into[origin] = min(into.get(origin, strongest), strongest, key=_STRENGTH.index)


def _is_within(inner: exp.Expr, outer: exp.Expr) -> bool:
    node: exp.Expr | None = inner
    while node is not None:
        if node is outer:
            return True
        node = node.parent
    return False
