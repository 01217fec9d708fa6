"""Loads as files: one folder per load, put in place by one rename, read through views of schema `raw`.

The writer holds the warehouse's write lock from the first byte to the last view. So there is only one writer, and any
temporary folder that it finds was left by a dead one.
"""

import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from glob import escape
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import ledger
from nightbook.landing.contract import TABLES

ROW_GROUP = 122_880
# Beside the landing folder and not in it, because DuckDB's `*` also matches names that begin with a dot.
INCOMING, OUTGOING = ".incoming-", ".outgoing-"


@dataclass(frozen=True)
class Load:
    """What has landed.

    Attributes:
        load_id: the load's name; its first word is the origin (synthetic, uci-taiwan, files).
        rows: row count by landing table.
        last_snapshot: the latest servicing snapshot of this load, None without one.
        notes: remarks for the user, one line each.
    """

    load_id: str
    rows: dict[str, int]
    last_snapshot: date | None
    notes: tuple[str, ...] = ()


@contextmanager
def incoming(load_id: str, alone: bool, about: Mapping | None = None) -> Iterator[Path]:
    """Yield a temporary folder that becomes the load when the block ends, and is deleted if the block raises.

    Tables that the block did not write land empty. A load of the same name is replaced.

    Args:
        load_id: the load's name.
        alone: refuse a home that holds any other load.
        about: the origin of the load, for its manifest.

    Raises:
        NightbookError: the warehouse is locked, schema raw holds tables of another loader, another lender's load is
            there already, or the disk refuses a write.
    """
    landing = home.landing()
    root = landing.parent
    folder = root / f"{INCOMING}{load_id}"
    with one_line(), _warehouse() as warehouse:
        landing.mkdir(parents=True, exist_ok=True)
        _clean(root, landing)
        _refuse_foreign_tables(warehouse)
        if alone:
            _refuse_other_loads(landing, load_id)
        _settle(warehouse, landing, load_id)
        folder.mkdir()
        try:
            yield folder
            for name, table in TABLES.items():
                if not (folder / name).exists():
                    write(folder, name, table.schema.empty_table())
            ledger.write(folder, load_id, _rows(folder), about)
            _swap(folder, landing / load_id, root / f"{OUTGOING}{load_id}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _create_views(warehouse, landing, load_id)


def write(
    folder: Path, table: str, rows: pa.Table | pa.RecordBatchReader, part: int = 0, row_group_size: int = ROW_GROUP
) -> int:
    """Write rows as one Parquet file of a load, with a checksum per page. The same rows give the same bytes.

    Args:
        folder: the load's temporary folder.
        table: landing table.
        rows: its columns in contract order; dictionary-encoded columns are stored as their values.
        part: number of the file within the table.
        row_group_size: rows per row group.

    Returns:
        The number of rows.
    """
    path = folder / table / f"part-{part:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = [name for name in rows.schema.names if name not in ("payment_id", "full_name", "email")]
    written = 0
    with pq.ParquetWriter(
        path,
        rows.schema,
        use_dictionary=encoded,
        store_schema=False,
        store_decimal_as_integer=True,
        write_page_index=False,
        write_page_checksum=True,
    ) as writer:
        for batch in [rows] if isinstance(rows, pa.Table) else rows:
            writer.write(batch, row_group_size)
            written += batch.num_rows
    return written


def holds(load_id: str) -> bool:
    """Whether the home holds this load, unchanged since it landed."""
    load = home.landing() / load_id
    return load.is_dir() and ledger.is_whole(load)


def describe(load_id: str, notes: tuple[str, ...] = ()) -> Load:
    """Count what a landed load holds, from the footers of its files."""
    folder = home.landing() / load_id
    late = (
        f"{load.name} landed before digests were kept: it is compared with its files as they were when first recorded"
        for load in sorted(home.landing().iterdir())
        if (load / ledger.MANIFEST).exists() and ledger.is_late(load)
    )
    return Load(load_id, _rows(folder), _last_snapshot(folder), (*notes, *late))


def refresh_views() -> None:
    """Point schema raw at the landing folder.

    Raises:
        NightbookError: as for `incoming`.
    """
    with one_line(), _warehouse() as warehouse:
        _refuse_foreign_tables(warehouse)
        _settle(warehouse, home.landing())
        _create_views(warehouse, home.landing())


@contextmanager
def one_line() -> Iterator[None]:
    """Turn errors of the disk or the warehouse into a NightbookError. Also a decorator."""
    try:
        yield
    except OSError as error:
        raise NightbookError(f"{error.filename or home.home()}: {error.strerror or error}".splitlines()[0]) from error
    except duckdb.Error as error:
        raise NightbookError(f"{home.warehouse()}: {error}".splitlines()[0]) from error


@contextmanager
def _warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    path = home.warehouse()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path))
    except duckdb.Error as error:
        text = str(error)
        if "lock" not in text:
            raise NightbookError(f"cannot open {path}: {text.splitlines()[0]}") from error
        holder = re.search(r"held in (.*?) \(PID (\d+)\)", text)
        who = f"process {holder[2]} ({Path(holder[1]).name})" if holder else "another process"
        raise NightbookError(f"{path} is in use by {who}: wait for it to end, or stop it, then land again") from error
    with connection:
        yield connection


def _clean(root: Path, landing: Path) -> None:
    for left in root.glob(f"{INCOMING}*"):
        shutil.rmtree(left)
    for left in root.glob(f"{OUTGOING}*"):
        load = landing / left.name.removeprefix(OUTGOING)
        if load.exists():
            shutil.rmtree(left)
        else:
            left.rename(load)


def _swap(folder: Path, load: Path, aside: Path) -> None:
    if load.exists():
        os.rename(load, aside)
    os.rename(folder, load)
    shutil.rmtree(aside, ignore_errors=True)


def _tables(warehouse: duckdb.DuckDBPyConnection) -> list[str]:
    found = warehouse.execute(
        "select table_name from duckdb_tables() where schema_name = 'raw' and database_name = current_database()"
    ).fetchall()
    return [name for (name,) in found if name in TABLES]


def _refuse_foreign_tables(warehouse: duckdb.DuckDBPyConnection) -> None:
    for name in _tables(warehouse):
        if warehouse.execute(f"select 1 from raw.{name} limit 1").fetchone():
            raise NightbookError(
                f"raw.{name} in {home.warehouse()} was filled by dbt seeds or another loader: "
                "set NIGHTBOOK_HOME to another folder and land there"
            )


def _refuse_other_loads(landing: Path, load_id: str) -> None:
    others = sorted(entry.name for entry in landing.iterdir() if entry.name != load_id and entry.is_dir())
    if others:
        raise NightbookError(
            f"{home.home()} already holds {others[0]}, and two lenders do not mix: "
            f"set NIGHTBOOK_HOME to another folder to land {load_id}"
        )


def _rows(load: Path) -> dict[str, int]:
    return {name: sum(pq.read_metadata(part).num_rows for part in (load / name).glob("*.parquet")) for name in TABLES}


def _last_snapshot(load: Path) -> date | None:
    with duckdb.connect() as memory:
        [(last,)] = memory.execute(f"select max(snapshot_date) from {_scan([load], 'loan_servicing')}").fetchall()
    return last


def _scan(loads: list[Path], table: str) -> str:
    paths = ", ".join(
        "'" + str(Path(escape(str(load))) / table / "*.parquet").replace("'", "''") + "'" for load in loads
    )
    return f"read_parquet([{paths}], hive_partitioning = false)"


def _typical_first(loads: list[Path], table: str) -> list[Path]:
    """Sort loads by how close the size of their first file is to the mean file size.

    DuckDB estimates the rows of many files from the first one. If that were a load of one correction, it would plan for
    a handful of rows.
    """
    sizes = {load: [part.stat().st_size for part in sorted((load / table).glob("*.parquet"))] for load in loads}
    sizes = {load: found for load, found in sizes.items() if found}
    mean = sum(map(sum, sizes.values())) / max(1, sum(map(len, sizes.values())))
    return sorted(sizes, key=lambda load: (abs(math.log(sizes[load][0] / mean)), load.name))


def _create_views(warehouse: duckdb.DuckDBPyConnection, landing: Path, landed: str | None = None) -> None:
    """Create views over every load in the landing folder. `landed` is the new load to enter into the ledger."""
    loads = [entry for entry in landing.iterdir() if entry.is_dir()]
    warehouse.execute("begin")
    if landed:
        ledger.enter(warehouse, landing / landed, _last_snapshot(landing / landed))
    warehouse.execute("create schema if not exists raw")
    for name in _tables(warehouse):
        warehouse.execute(f"drop table raw.{name}")
    for name, table in TABLES.items():
        columns = ", ".join(table.columns)
        scan = _scan(_typical_first(loads, name), name)
        warehouse.execute(f"create or replace view raw.{name} as select {columns} from {scan}")
    warehouse.execute("commit")


def _settle(warehouse: duckdb.DuckDBPyConnection, landing: Path, landed: str | None = None) -> None:
    """Record loads that the ledger lacks, except the one about to land. Refuse loads that changed since they landed."""
    is_new = not ledger.is_there(warehouse)
    known = ledger.recorded(warehouse)
    for load_id in known:
        if load_id != landed and not (landing / load_id).is_dir():
            ledger.forget(warehouse, load_id)
    for load in sorted(entry for entry in landing.iterdir() if entry.is_dir() and entry.name != landed):
        if load.name in known:
            continue
        if not (load / ledger.MANIFEST).exists():
            if not is_new:
                raise NightbookError(
                    f"{load} has no {ledger.MANIFEST}: it was not landed here: remove it, and land its files again"
                )
            ledger.write(load, load.name, _rows(load), {ledger.LATE: True})
        ledger.enter(warehouse, load, _last_snapshot(load))
    ledger.check(warehouse, besides=landed)
