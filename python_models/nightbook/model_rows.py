"""Whose rows a query reads and gives, where a relation holds those of several scoring models.

Rows of different models are told apart by the column model_name. What is not understood is taken for rows of all.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from sqlglot import exp
from sqlglot.optimizer.scope import Scope

COLUMN = "model_name"
# The rows of each model are made of its own.
EACH = "each"
# (relation, column, whose rows there, whose rows here) -> transformation
Origins = dict[tuple[str, str, str | None, str | None], str]


@dataclass(frozen=True)
class ModelRows:
    """What a query says of models.

    alike: sources whose model_name is that of the row made. fixed: source -> the one model whose rows are read. own:
    the one model whose rows are made; None where there are several, or no model_name.
    """

    alike: frozenset[str] = frozenset()
    fixed: Mapping[str, str] | None = None
    own: str | None = None

    @classmethod
    def of(cls, scope: Scope, split: Collection[str]) -> "ModelRows":
        """As the conditions of a query and its own model_name say; split: the sources that have one."""
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
        """What columns of a source are made of, told of the rows that the query makes.

        Args:
            source: its alias.
            found: told of the source's own rows.
            is_mixed: rows of all models take part, whatever the query's model_name is.
        """
        is_alike = source in self.alike and not is_mixed
        fixed = None if source is None else (self.fixed or {}).get(source)
        told: Origins = {}
        for (relation, column, theirs, ours), transformation in found.items():
            if fixed and ours not in (None, fixed):
                continue
            here = fixed or ours
            if theirs == EACH:
                theirs = here or (EACH if is_alike else None)
            told[relation, column, theirs, self.own or (here if is_alike else None)] = transformation
        return told


def _groups(select: exp.Select, split: Collection[str]) -> tuple[list[frozenset[str]], dict[str, str]]:
    """Sources that a query takes of the same model, and the model where it is named."""
    groups = [frozenset([alias]) for alias in sorted(split)]
    named: dict[str, str] = {}
    joins = select.args.get("joins") or []
    where = select.args.get("where")
    equal = [(part, True) for part in _equalities(where and where.this)]
    # An outer join leaves the rows that its condition does not meet.
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
    """What must hold for a condition to hold."""
    parts = condition.flatten() if isinstance(condition, exp.And) else [condition] if condition else []
    return [equal for part in parts if isinstance(equal := part.unnest(), exp.EQ)]


def _is_model(value: exp.Expr | None, aliases: Collection[str]) -> TypeGuard[exp.Column]:
    return isinstance(value, exp.Column) and value.name.lower() == COLUMN and value.table in aliases
