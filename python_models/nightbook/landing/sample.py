"""Write a small synthetic lender as CSV files: the dbt seeds of schema raw.

Run as `python -m nightbook.landing.sample DIRECTORY`.
"""

import csv
import sys
from pathlib import Path

import pyarrow as pa

from nightbook import shown
from nightbook.landing.contract import MOMENT, TABLES
from nightbook.landing.synthetic import plan

ACCOUNTS, MONTHS, SEED, APPLICATIONS = 415, 30, 7, 40


def write_sample(directory: Path) -> None:
    """Write one `<table>.csv` per landing table, columns in contract order. The bytes are always the same.

    Args:
        directory: created if missing; files of the same names are overwritten.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (block,) = plan(ACCOUNTS, MONTHS, SEED, APPLICATIONS, f"synthetic-s{SEED}")
    rows = block.tables()
    for name, table in TABLES.items():
        with (directory / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            lines = csv.writer(stream, lineterminator="\n")
            lines.writerow(table.columns)
            lines.writerows(zip(*map(_texts, rows.get(name, table.schema.empty_table()).columns), strict=True))


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    if column.type == pa.string():
        return [None if one is None else shown.cell(one) for one in column.to_pylist()]
    seconds = column.cast(pa.timestamp("s")) if column.type == MOMENT else column
    return seconds.cast(pa.string()).to_pylist()


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
