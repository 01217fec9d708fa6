"""The same night on DuckDB and on Snowflake, value by value: features, PDs, grades, reasons, provisions.

Run it where both have landed, trained, approved and scored the same: `python -m tests.rehearsal.parity --home DIR`
compares the warehouse of that home with the account that the environment leads to, and names the first difference.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Relations of a cadence -> key. Columns about the run or its time differ between the sides.
RELATIONS = {
    "weekly": {
        "intermediate.int_customer_exposures": ["customer_id", "as_of_date"],
        "features.feat_applications": ["application_id", "as_of_date"],
        "training.training_set_account_pd": ["entity_id", "as_of_date"],
        "training.training_set_application_pd": ["entity_id", "as_of_date"],
        "training.holdout_scores": ["model_name", "entity_id", "as_of_date"],
    },
    "nightly": {
        "inputs.int_input_profile": ["table_name", "column_name", "category", "measure"],
        "scoring.accounts_tonight": ["account_id", "as_of_date"],
        "scoring.applications_tonight": ["application_id", "as_of_date"],
        "marts.fct_account_scores": ["account_id", "as_of_date"],
        "marts.fct_application_scores": ["application_id", "as_of_date"],
        "marts.fct_application_contributions": ["application_id", "as_of_date", "feature"],
        "marts.fct_provisions": ["account_id", "as_of_date"],
    },
}
OF_THE_RUN = {"run_id", "scored_at"}
# Fixed-point numbers come in whatever width an engine chose.
_FIXED = pa.decimal128(38, 9)

Fetch = Callable[[str], pa.Table]


@dataclass(frozen=True)
class Difference:
    """The first place where two sides differ. A side without the row or the column shows `nothing`."""

    relation: str
    key: tuple
    column: str
    duckdb: object
    snowflake: object

    def __str__(self) -> str:
        where = ", ".join(str(part) for part in self.key)
        return f"{self.relation} ({where}) {self.column}: DuckDB has {self.duckdb!r}, Snowflake {self.snowflake!r}"


def difference(
    relation: str, key: list[str], ours: pa.Table, theirs: pa.Table, tolerance: float = 0
) -> Difference | None:
    """The first difference by key and column. None if both sides are equal.

    Args:
        relation: name for the report.
        key: columns that identify a row.
        ours: rows from DuckDB.
        theirs: rows from Snowflake.
        tolerance: by how much doubles may differ; 0 for the same bits.

    Raises:
        ValueError: a key occurs twice on one side.
    """
    names = [name for name in ours.column_names if name not in OF_THE_RUN]
    for one, other, side in ((ours, theirs, "Snowflake"), (theirs, ours, "DuckDB")):
        for name in one.column_names:
            if name not in other.column_names:
                values = ("a column", "nothing") if side == "Snowflake" else ("nothing", "a column")
                return Difference(relation, (), name, *values)
    ours, theirs = (_in_order(table.select(names), key) for table in (ours, theirs))
    our_keys, their_keys = (
        list(zip(*(table[name].to_pylist() for name in key), strict=True)) for table in (ours, theirs)
    )
    for side, keys in (("DuckDB", our_keys), ("Snowflake", their_keys)):
        if len(set(keys)) != len(keys):
            raise ValueError(f"{relation}: {', '.join(key)} does not name one row on {side}")
    if our_keys != their_keys:
        lone = min(set(our_keys) ^ set(their_keys), key=str)
        return Difference(
            relation, lone, "row", *(("there", "nothing") if lone in set(our_keys) else ("nothing", "there"))
        )
    unlike = {name: _unlike(ours[name], theirs[name], tolerance) for name in names if name not in key}
    row = min((rows[0] for rows in unlike.values() if len(rows)), default=None)
    if row is None:
        return None
    column = next(name for name, rows in unlike.items() if len(rows) and rows[0] == row)
    return Difference(relation, our_keys[row], column, ours[column][row].as_py(), theirs[column][row].as_py())


def _in_order(table: pa.Table, key: list[str]) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in key]).combine_chunks()


def _unlike(ours: pa.ChunkedArray, theirs: pa.ChunkedArray, tolerance: float) -> np.ndarray:
    """Positions at which two columns differ, in order."""
    ours, theirs = _comparable(ours, theirs)
    differs = pc.xor(pc.is_null(ours), pc.is_null(theirs))
    both = pc.and_(pc.is_valid(ours), pc.is_valid(theirs))
    if pa.types.is_floating(ours.type):
        left, right = (np.asarray(pc.fill_null(side, 0.0)) for side in (ours, theirs))
        unequal = left.view(np.int64) != right.view(np.int64)
        if tolerance:
            unequal &= ~(np.abs(left - right) <= tolerance)
        apart = pa.array(unequal)
    else:
        apart = pc.fill_null(pc.not_equal(ours, theirs), False)
    return np.flatnonzero(np.asarray(pc.or_(differs, pc.and_(both, apart))))


def _comparable(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Two columns in one type: doubles if a side has them, else exact numbers, else texts and dates unchanged."""
    sides = [side.combine_chunks() for side in (ours, theirs)]
    if any(pa.types.is_floating(side.type) for side in sides):
        return tuple(side.cast(pa.float64()) for side in sides)
    if any(pa.types.is_decimal(side.type) or pa.types.is_integer(side.type) for side in sides):
        return tuple(pc.cast(side, _FIXED) for side in map(_widened, sides))
    return sides[0], sides[1].cast(sides[0].type)


def _widened(side: pa.Array) -> pa.Array:
    return side.cast(pa.decimal128(38, 0)) if pa.types.is_integer(side.type) else side


def compare(cadence: str, duckdb_rows: Fetch, snowflake_rows: Fetch, tolerance: float = 0) -> Difference | None:
    """Compare what the last run of a cadence left, print how much, and return the first difference."""
    for relation, key in RELATIONS[cadence].items():
        ours, theirs = (fetch(f"select * from {relation}") for fetch in (duckdb_rows, snowflake_rows))
        found = difference(relation, key, ours, theirs, tolerance)
        if found:
            return found
        print(f"parity: {relation}: {ours.num_rows} rows of {ours.num_columns} columns are the same", flush=True)
    return None


def of_duckdb(home: Path) -> Fetch:
    """Rows of a home's warehouse."""
    connection = duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)
    return lambda sql: connection.sql(sql).to_arrow_table()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="home of the same lender on DuckDB")
    parser.add_argument("--cadence", choices=RELATIONS, default="nightly", help="the run that was the last (nightly)")
    parser.add_argument("--tolerance", type=float, default=0, help="by how much doubles may differ (0: not a bit)")
    given = parser.parse_args()
    from nightbook.engine import snowflake_connection

    with snowflake_connection.connected() as opened:
        found = compare(given.cadence, of_duckdb(given.home), opened.arrow, given.tolerance)
    if found:
        print(f"parity: {found}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python_models"))
    sys.exit(main())
