"""Column lineage read from a query: which columns of which relations each of its columns comes from."""

from collections.abc import Collection
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, find_all_in_scope
from sqlglot.schema import MappingSchema

from nightbook.errors import NightbookError
from nightbook.lineage.graph import (
    AGGREGATION,
    COLUMN,
    EACH,
    FIELDS,
    IDENTITY,
    INDIRECT,
    STRENGTH,
    TRANSFORMATION,
    Columns,
    Edge,
    same_models,
)
from nightbook.lineage.model_rows import ModelRows, Origins


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
                pairs = same_models() if theirs == EACH else [(theirs, ours)]
                edges += [Edge(origin, column, relation, name, transformation, *pair) for pair in pairs]
        return sorted(edges, key=lambda edge: [getattr(edge, one) or "" for one in FIELDS])
    except sqlglot.errors.SqlglotError as error:
        raise NightbookError(f"{relation}: its SQL cannot be read for lineage: {str(error).splitlines()[0]}") from error


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
        strongest = max(transformation, kind, key=STRENGTH.index)
        into[origin] = min(into.get(origin, strongest), strongest, key=STRENGTH.index)


def _is_within(inner: exp.Expr, outer: exp.Expr) -> bool:
    node: exp.Expr | None = inner
    while node is not None:
        if node is outer:
            return True
        node = node.parent
    return False
