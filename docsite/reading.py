"""Data for the pages: the warehouse, the registry and dbt's docs blocks. Each value comes with its source."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nightbook.catalog import schema_yaml
from nightbook.engine import warehouse
from nightbook.registry.record import Record, Version

from docsite.cited import Cited, plain


@dataclass(frozen=True)
class Reading:
    """An open warehouse, and dbt's manifest of the project.

    connection: as `warehouse.reading` yields it. manifest: as dbt wrote it.
    """

    connection: warehouse.Connection
    manifest: dict

    def query(self, sql: str, parameters: Sequence[Any] | None = None) -> list[dict]:
        """Rows of a query as dictionaries."""
        return warehouse.rows(self.connection, sql, parameters)

    def has(self, relation: str) -> bool:
        """Whether the warehouse holds schema.name."""
        return warehouse.has(self.query, *relation.split(".", 1))

    def cited(
        self,
        relation: str,
        columns: Mapping[str, str | tuple[str, str]],
        *,
        key: Sequence[str] = (),
        where: Mapping[str, object] | None = None,
        order: str = "",
    ) -> list[dict[str, Cited]]:
        """Rows of a relation, each value with the SQL that returns it alone.

        Args:
            relation: schema.name, or a query in parentheses with an alias.
            columns: name -> what is selected, a column or an aggregate over the rows of a key; optionally with its
                form, as in `Cited`.
            key: columns that identify a row; the rows contain them too.
            where: column -> value that every row has.
            order: of the rows; by the key if not given.

        Returns:
            One dictionary per row. Empty if the relation does not exist.
        """
        if not relation.startswith("(") and not self.has(relation):
            return []
        chosen = {name: what if isinstance(what, tuple) else (what, "text") for name, what in columns.items()}
        conditions: dict[str, object] = dict(where or {})
        selected = ", ".join([*key, *(f"{expression} as {name}" for name, (expression, _) in chosen.items())])
        is_grouped = bool(key) and any("(" in expression for expression, _ in chosen.values())
        grouped = f" group by {', '.join(key)}" if is_grouped else ""
        ordered = f" order by {order or ', '.join(key)}" if order or key else ""
        rows = self.query(f"select {selected} from {relation}{_where(conditions)}{grouped}{ordered}")
        return [
            {
                name: Cited(
                    row[name],
                    f"select {expression} from {relation}{_where(conditions | {one: row[one] for one in key})}",
                    form,
                )
                for name, (expression, form) in (
                    chosen | {one: (f"distinct {one}" if is_grouped else one, "text") for one in key}
                ).items()
            }
            for row in rows
        ]

    def docs_block(self, name: str) -> str | None:
        """The text of a docs block of the project, or None."""
        found = self.manifest["docs"].get(f"doc.nightbook.{name}")
        return found and found["block_contents"]

    def model_names(self) -> list[str]:
        """Models with inputs in the catalog, and models with a recorded version."""
        return sorted({row["model_name"] for row in schema_yaml.read()} | set(self.record.model_names))

    @functools.cached_property
    def record(self) -> Record:
        """The warehouse's record of versions, verdicts and promotions."""
        return Record.of(self.query)

    def champion(self, name: str) -> Version | None:
        """The recorded version of a model that is champion."""
        return next((one for one in self.record.versions_of(name) if one.is_champion), None)

    def last_night(self) -> dict | None:
        """run_id and as_of_date of the last night that published."""
        return self._last_run("accounts_scored is not null")

    def last_training(self) -> dict | None:
        """run_id, as_of_date and started_at of the last successful training."""
        return self._last_run("cadence in ('weekly', 'full')")

    def _last_run(self, condition: str) -> dict | None:
        if not self.has("audit.run_log"):
            return None
        found = self.query(
            "select run_id, as_of_date, started_at, ended_at, manifest_digest from audit.run_log"
            f" where outcome = 'succeeded' and {condition} order by started_at desc limit 1"
        )
        return found[0] if found else None


def _where(values: Mapping[str, object]) -> str:
    found = [f"{name} is null" if value is None else f"{name} = {_literal(value)}" for name, value in values.items()]
    return f" where {' and '.join(found)}" if found else ""


def _literal(value: object) -> str:
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(' ')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    return warehouse.literal(value) if isinstance(value, str) else plain(value)
