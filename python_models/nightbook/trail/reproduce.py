"""Compute a past night's scores again, from the raw rows that its run could see, and compare with the stored ones.

The night's rows are landed in a scratch home. The DAG runs there with the night's date, cutoff, model versions and
code. It uses nothing that the warehouse keeps from night to night, so the compared values were computed in two ways.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from nightbook import provenance
from nightbook.engine import home, warehouse
from nightbook.errors import NightbookError
from nightbook.trail import rerun, scored_nights, scratch_home

# Columns of the run, not of the score.
_OF_THE_RUN = ("run_id", "scored_at")
_SHOWN = 5


@dataclass(frozen=True)
class Difference:
    """A stored value that differs from the recomputed one. The column is `(row)` if one side has no such row."""

    relation: str
    key: str
    column: str
    stored: object
    derived: object

    def __str__(self) -> str:
        return (
            f"{self.relation}, {self.key}: {self.column} is {self.stored} as stored, {self.derived} when computed again"
        )


@dataclass
class Reproduction:
    """What was compared. `compared`, `different`: rows by relation; `differences`: the first few; `notes`: lines."""

    night: scored_nights.Night
    code: str
    compared: dict[str, int] = field(default_factory=dict)
    different: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """True if every compared row is equal, column by column, to the bit."""
        return not any(self.different.values())


def reproduce(
    as_of: date, *, account: str | None = None, application: str | None = None, sample: int | None = None
) -> Reproduction:
    """Compute a night, a sample of it, or one score again and compare.

    DuckDB computes it, whichever engine scored the night.

    Args:
        as_of: the night's date.
        account: only this account.
        application: only this application.
        sample: this many accounts and at most this many applications, chosen by hash.

    Raises:
        NightbookError: the night or the key was never scored, or its code is not available.
    """
    with warehouse.asking() as query:
        night = scored_nights.scored_night(query, as_of)
        chosen = scored_nights.chosen(query, night, account, application, sample)
    if not night.run["manifest_digest"] or not night.run["library_digest"]:
        raise NightbookError(
            f"the night of {as_of}, run {night.run['run_id']}: its record does not name the code that made it;"
            " `explain` shows its stored inputs, model and contributions"
        )
    rerun.sweep()
    with tempfile.TemporaryDirectory(prefix=f"{rerun.SCRATCH}{os.getpid()}-", dir=home.home()) as folder:
        scratch = Path(folder)
        scratch_home.land(scratch, night, chosen)
        found = Reproduction(night, rerun.derive(scratch, night), notes=_other_versions(night))
        _compare(scratch, found, chosen)
        if not found.is_equal:
            with warehouse.asking() as query:
                found.notes += scored_nights.landed_otherwise(query, night)
    return found


def as_dict(found: Reproduction) -> dict:
    """A reproduction for machines."""
    return {
        "as_of_date": found.night.as_of_date,
        "run_id": found.night.run["run_id"],
        "versions": found.night.versions,
        "code": found.code,
        "is_equal": found.is_equal,
        "compared": found.compared,
        "different": found.different,
        "differences": [asdict(one) for one in found.differences],
        "notes": found.notes,
    }


def _compare(scratch: Path, found: Reproduction, chosen: dict[str, scored_nights.Chosen] | None) -> None:
    """Compare every column of every score, input and contribution with what is stored."""
    with scratch_home.beside(scratch) as connection:
        for kind, relation, entity, key in scored_nights.compared():
            if chosen is None or chosen[kind].keys:
                _compare_relation(connection, found, relation, entity, key, chosen[kind].keys if chosen else None)


def _columns(connection: duckdb.DuckDBPyConnection, database: str, relation: str) -> list[str]:
    schema, table = relation.split(".")
    return [
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = ? and schema_name = ? and table_name = ?"
            " order by column_index",
            [database, schema, table],
        ).fetchall()
    ]


def _compare_relation(
    connection: duckdb.DuckDBPyConnection,
    found: Reproduction,
    relation: str,
    entity: str,
    key: str,
    chosen: list[str] | None,
) -> None:
    """Compare the rows of a night. A column that only one side has, from another code version, must be empty."""
    as_of, run_id = found.night.as_of_date, found.night.run["run_id"]
    stored_columns = _columns(connection, "book", relation)
    [(own,)] = connection.execute("select current_database()").fetchall()
    derived_columns = _columns(connection, own, relation)
    columns = [
        name for name in dict.fromkeys([*stored_columns, *derived_columns]) if name not in (*_OF_THE_RUN, "as_of_date")
    ]
    connection.execute("create or replace temp table wanted (key varchar)")
    if chosen:
        connection.executemany("insert into wanted values (?)", [[one] for one in chosen])
    of_chosen = f" and {entity} in (select key from wanted)" if chosen is not None else ""

    def side(there: list[str], source: str, condition: str) -> str:
        listed = ", ".join(f'"{name}"' if name in there else f'null as "{name}"' for name in columns)
        return (
            f"(select {key} as row_key, {listed} from {source} where as_of_date = date '{as_of}'{condition}{of_chosen})"
        )

    sides = (
        side(stored_columns, f"book.{relation}", " and run_id = ?")
        + " as stored full outer join "
        + side(derived_columns, relation, "")
        + " as derived on stored.row_key = derived.row_key"
    )
    differs = " or ".join(f'stored."{name}" is distinct from derived."{name}"' for name in columns)
    condition = f"stored.row_key is null or derived.row_key is null or {differs}"
    counted = f"select count(*), count(case when {condition} then 1 end) from {sides}"
    [(rows, different)] = connection.execute(counted, [run_id]).fetchall()
    found.compared[relation], found.different[relation] = rows, different
    if not different:
        return
    listed = ", ".join(f'{one}."{name}"' for name in columns for one in ("stored", "derived"))
    worst = connection.execute(
        f"select stored.row_key, derived.row_key, {listed} from {sides} where {condition}"
        f" order by coalesce(stored.row_key, derived.row_key) limit {_SHOWN}",
        [run_id],
    ).fetchall()
    for stored_key, derived_key, *values in worst:
        name = stored_key or derived_key
        if stored_key is None or derived_key is None:
            there = ("missing", "there") if stored_key is None else ("there", "missing")
            found.differences.append(Difference(relation, name, "(row)", *there))
            continue
        found.differences += [
            Difference(relation, name, column, stored, derived)
            for column, stored, derived in zip(columns, values[::2], values[1::2], strict=True)
            if stored != derived
        ]


def _other_versions(night: scored_nights.Night) -> list[str]:
    then = json.loads(night.run["versions"])
    now = provenance.library_versions()
    return [
        f"{name} is {now[name]} here, but was {then[name]} in the run"
        for name in sorted(now)
        if now[name] != then.get(name, now[name])
    ]
