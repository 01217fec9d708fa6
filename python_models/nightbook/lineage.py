"""Column lineage: read from the SQL that ran, or declared in YAML for what is not SQL.

An edge leads from a column of one relation to a column of another. Its kind is a term of OpenLineage:

- IDENTITY: the value is passed on unchanged.
- TRANSFORMATION: the value is computed row by row.
- AGGREGATION: several rows are combined.
- INDIRECT: no value flows. A constant depends on the columns that decide in which rows it appears.

Some relations hold rows of several scoring models, which the column model_name separates. An edge names the model whose
rows are meant on either side, so that the origins of two models never mix.
"""

import json
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace

import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, find_all_in_scope
from sqlglot.schema import MappingSchema

from nightbook.catalog import scoring_models
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

# Cadence -> the relation that keeps the edges upstream of its inputs.
_INPUT_LINEAGE = {"nightly": "audit.input_lineage", "weekly": "audit.input_lineage_weekly"}
# The model whose rows are meant on either side. None means the rows of all models.
Pairs = list[tuple[str | None, str | None]]
# Relation -> column names in order.
Columns = Mapping[str, list[str]]
# Relation, column, and the model whose rows are meant. None means all rows.
Node = tuple[str, str, str | None]
# Column -> the model whose rows are meant, and the next column upstream or downstream.
Steps = dict[tuple[str, str], list[tuple[str | None, Node]]]
_REGISTERED = "models:/"
# What a declaration may name in the place of a relation: the relation of each scoring model.
_ROLES = ("population", "training_set", "tonight_scores")


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


_EDGE = tuple(one.name for one in fields(Edge))


def features() -> dict[str, tuple[str, str]]:
    """Scoring model -> the relations whose columns are its inputs, tonight's and training's."""
    return {
        name: (f"features.{model.features}", f"features.{model.cohort_features}")
        for name, model in scoring_models.read().items()
    }


def of_sql(sql: str, relation: str, columns: Columns, written_for: str = "duckdb") -> list[Edge]:
    """Edges into a relation from the relations that its SQL reads.

    Args:
        sql: one query, as it ran.
        relation: the relation that it fills, schema.name. Columns of the query that the relation lacks are skipped.
        columns: the columns of every relation that it reads, and of the relation itself.
        written_for: the engine whose dialect the SQL is in.

    Raises:
        NightbookError: the SQL cannot be read.
    """
    # The SQL is parsed in its own dialect. Names are then resolved by DuckDB's rules, which ignore case.
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
            raise NightbookError(f"{relation}: its SQL cannot be read for lineage: it is not a select")
        walker = _Walker(columns)
        own = set(columns.get(relation, ()))
        edges = []
        for position, name in enumerate(_names(root)):
            if own and name not in own:
                continue
            for (origin, column, theirs, ours), transformation in walker.origins(root, position).items():
                ours = ours if COLUMN in own else None
                pairs = _same_models() if theirs == EACH else [(theirs, ours)]
                edges += [Edge(origin, column, relation, name, transformation, *pair) for pair in pairs]
        return sorted(edges, key=lambda edge: [getattr(edge, one) or "" for one in _EDGE])
    except sqlglot.errors.SqlglotError as error:
        raise NightbookError(f"{relation}: its SQL cannot be read for lineage: {str(error).splitlines()[0]}") from error


def of_declaration(
    declared: Iterable[dict], relation: str, columns: Columns, relations: Mapping[str, str], inputs: Collection[str]
) -> list[Edge]:
    """Edges into a relation from what the YAML of its Python model declares.

    Args:
        declared: entries with `to`, `from` and `by`, and optionally `into` and `model`. `to` lists columns; all without
            it. `from` maps a model or models:/NAME to columns, to '*' for all, to `key`, or to `inputs` for the model
            inputs. `by` is a transformation; IDENTITY leads from each column to the column of the same name. `into`
            names another target. `model` is needed where both relations hold rows of several models. It is a model's
            name, or `each` if each model's rows come from its own rows. With `each`, `from` and `into` may also name
            models:/each, or population, training_set or tonight_scores: then there is such an entry for each model.
        relation: schema.name.
        columns: the columns of every relation.
        relations: model name -> schema.name.
        inputs: names of the model inputs.

    Raises:
        NightbookError: a declaration names something that does not exist.
    """
    edges = []
    for entry in (one for each in declared for one in _for_each_model(each)):
        into = entry.get("into", relation)
        targets = entry.get("to") or columns[relation]
        for source, named in entry["from"].items():
            is_external = source.startswith(_REGISTERED)
            origin = source if is_external else relations.get(source)
            if origin is None:
                raise NightbookError(f"{relation}: lineage declared from {source}, which is not a model")
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


def _for_each_model(entry: dict) -> list[dict]:
    """The entry once for each scoring model if it names relations by their role, with the roles filled in."""
    named = [*entry["from"], entry.get("into")]
    if not any(name in (*_ROLES, f"{_REGISTERED}{EACH}") for name in named):
        return [entry]
    found = []
    for model in scoring_models.read().values():
        roles = {role: getattr(model, role) for role in _ROLES} | {
            f"{_REGISTERED}{EACH}": _REGISTERED + model.model_name
        }
        sources = {
            roles.get(source, source): [model.key] if columns == "key" else columns
            for source, columns in entry["from"].items()
        }
        one = entry | {"from": sources, "model": model.model_name}
        found.append(one | ({"into": roles.get(entry["into"], entry["into"])} if "into" in entry else {}))
    return found


def _same_models() -> Pairs:
    return [(name, name) for name in scoring_models.read()]


def _declared_models(model: str | None, origin: str, into: str, columns: Columns) -> Pairs:
    """Pairs of models: whose rows of the origin make whose rows of the target."""
    if model not in (None, EACH, *scoring_models.read()):
        raise NightbookError(f"{into}: lineage declared for {model}, which is not a scoring model")
    is_split = [COLUMN in columns.get(relation, ()) for relation in (origin, into)]
    for relation in (origin, into):
        if relation.startswith(_REGISTERED):
            model = relation.removeprefix(_REGISTERED)
    if model is None and all(is_split):
        raise NightbookError(
            f"{into}: lineage declared from {origin} needs `model`: both relations hold rows of several models"
        )
    if model == EACH:
        if not all(is_split):
            raise NightbookError(
                f"{into}: lineage declared from {origin} for each model, but one of the two relations has no model_name"
            )
        return _same_models()
    return [(model if is_split[0] else None, model if is_split[1] else None)]


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
        read.setdefault(row["to_relation"], []).append(Edge(*(row[name] for name in _EDGE)))
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
    return [] if node["sql"] is None else of_sql(node["sql"], node["relation"], columns, node["engine"])


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


def _names(scope: Scope) -> list[str]:
    return [one.alias_or_name for one in _selects(scope.expression)]


def _selects(query: exp.Expr) -> list[exp.Expr]:
    assert isinstance(query, exp.Selectable)
    return query.selects


@dataclass
class _Walker:
    """Walks from a projection down to columns of relations, and caches what it found."""

    columns: Columns
    found: dict[tuple[int, int], Origins] = field(default_factory=dict)
    rows: dict[int, ModelRows] = field(default_factory=dict)

    def origins(self, scope: Scope, position: int) -> Origins:
        key = (id(scope), position)
        if key not in self.found:
            self.found[key] = {}  # ends the walk through a recursive query
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
        # A window over the rows of all models makes one model's row depend on another's.
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
        """Origins of a constant: the columns that decide in which rows it appears."""
        clauses = [scope.expression.args.get(name) for name in ("where", "group", "having", "qualify")]
        clauses += scope.expression.args.get("joins") or []
        merged: Origins = {}
        for clause in clauses:
            for column in find_all_in_scope(clause, exp.Column) if clause else ():
                _merge(merged, self._of_column(scope, column.table, column.name), INDIRECT)
        if not merged:
            # Only the sources that the query selects from. An earlier CTE is visible too, but may be unrelated.
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
    """Columns by whose range a source is joined. Their values decide which row is found."""
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
