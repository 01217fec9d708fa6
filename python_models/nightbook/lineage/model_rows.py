"""Which scoring model's rows a query reads and makes, where a relation holds rows of several models.

The column model_name separates the rows of different models. A condition that is not understood counts as all models.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from nightbook.lineage.graph import COLUMN, EACH

# (relation, column, whose rows there, whose rows here) -> transformation
Origins = dict[tuple[str, str, str | None, str | None], str]


@dataclass(frozen=True)
class ModelRows:
    """What a query says about models.

    alike: sources whose model_name equals that of the row made.
    fixed: source -> the one model whose rows are read.
    own: the one model whose rows are made. None if there are several, or no model_name.
    """

    alike: frozenset[str] = frozenset()
    fixed: Mapping[str, str] | None = None
    own: str | None = None

    @classmethod
    def of(cls, scope: Scope, split: Collection[str]) -> "ModelRows":
        """Read it from a query's conditions and its own model_name. `split`: the sources that have a model_name."""
        select = scope.expression
        if not isinstance(select, exp.Select):
            return cls()
        alike, fixed = _groups(select, split)
        value = next((one.unalias() for one in select.selects if one.alias_or_name == COLUMN), None)
        if isinstance(value, exp.Literal):
            return cls(frozenset(), fixed, value.this)
        parts = list(value.iter_expressions()) if isinstance(value, exp.Coalesce) else [value]
        group = next((group for group in alike if all(_is_model(part, group) for part in parts)), frozenset())
        return cls(group, fixed, next((fixed[alias] for alias in group if alias in fixed), None))

    def keeps_apart(self, window: exp.Window) -> bool:
        """Whether a window holds rows of one model only."""
        partition = window.args.get("partition_by") or []
        return self.own is not None or any(_is_model(part, self.alike) for part in partition)

    def seen(self, source: str | None, found: Origins, is_mixed: bool = False) -> Origins:
        """Restate the origins of a source's columns for the rows that the query makes.

        Args:
            source: its alias, or None for a subquery.
            found: origins of the source's own rows.
            is_mixed: rows of all models take part, whatever the query's model_name is.
        """
        is_alike = source in self.alike and not is_mixed
        fixed = None if source is None else (self.fixed or {}).get(source)
        restated: Origins = {}
        for (relation, column, theirs, ours), transformation in found.items():
            if fixed and ours not in (None, fixed):
                continue
            here = fixed or ours
            if theirs == EACH:
                theirs = here or (EACH if is_alike else None)
            restated[relation, column, theirs, self.own or (here if is_alike else None)] = transformation
        return restated


def _groups(select: exp.Select, split: Collection[str]) -> tuple[list[frozenset[str]], dict[str, str]]:
    """Group the sources that a query joins on the same model, with the model where the query names it."""
    groups = [frozenset([alias]) for alias in sorted(split)]
    named: dict[str, str] = {}
    joins = select.args.get("joins") or []
    where = select.args.get("where")
    equal = [(part, True) for part in _equalities(where and where.this)]
    # An outer join keeps the rows that do not meet its condition, so a model named there does not filter.
    equal += [(part, not join.side) for join in joins for part in _equalities(join.args.get("on"))]
    for part, names_rows in equal:
        one, other = sorted((part.left, part.right), key=lambda side: isinstance(side, exp.Literal))
        if not _is_model(one, split):
            continue
        if _is_model(other, split):
            joined = [group for group in groups if {one.table, other.table} & group]
            groups = [group for group in groups if group not in joined] + [frozenset().union(*joined)]
        elif isinstance(other, exp.Literal) and names_rows:
            named[one.table] = other.this
    return groups, {alias: named[one] for group in groups for one in group & set(named) for alias in group}


def _equalities(condition: exp.Expr | None) -> Iterable[exp.EQ]:
    """The equalities that must hold for a condition to hold."""
    parts = condition.flatten() if isinstance(condition, exp.And) else [condition] if condition else []
    return [equal for part in parts if isinstance(equal := part.unnest(), exp.EQ)]


def _is_model(value: exp.Expr | None, aliases: Collection[str]) -> TypeGuard[exp.Column]:
    return isinstance(value, exp.Column) and value.name.lower() == COLUMN and value.table in aliases
