"""Loads in a Snowflake account: Parquet files are put to a stage and copied into schema `raw` in one transaction.

A load is there whole or not at all. Files that an earlier attempt left on the stage are overwritten. A separate table
lists the loads, because landed rows may carry load ids of their own.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightbook.engine import home, snowflake_connection
from nightbook.errors import NightbookError
from nightbook.landing import store
from nightbook.landing.contract import MOMENT, TABLES, sql_type

STAGE = "raw.landing"
_LEDGER = "operations.loads"
_LEDGER_COLUMNS = "load_id varchar, landed_at timestamp_ntz, rows_by_table varchar, last_snapshot date"


@contextmanager
def incoming(load_id: str, alone: bool) -> Iterator[Path]:
    """Yield a temporary folder in the home. Its files are copied into Snowflake when the block ends.

    Args:
        load_id: the load's name.
        alone: refuse a database that holds rows of any other load.

    Raises:
        NightbookError: another load is there, or Snowflake or the disk refuses. Nothing has landed then.
    """
    folder = home.home() / f"{store.INCOMING}{load_id}"
    with store.one_line(), snowflake_connection.connected() as connection:
        for left in home.home().glob(f"{store.INCOMING}*"):
            shutil.rmtree(left)
        _make_places(connection)
        if alone:
            _refuse_others(connection, load_id)
        folder.mkdir(parents=True)
        try:
            yield folder
            _copy(connection, folder, load_id)
        except BaseException:
            with suppress(NightbookError):
                _clear(connection, load_id)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _clear(connection, load_id)


def holds(load_id: str) -> bool:
    """Whether the database holds this load."""
    with snowflake_connection.connected() as connection:
        return bool(_loads(connection, load_id))


def describe(load_id: str, notes: tuple[str, ...] = ()) -> store.Load:
    """What a landed load holds, as counted when it landed."""
    with snowflake_connection.connected() as connection:
        [found] = _loads(connection, load_id)
    return store.Load(load_id, json.loads(found["rows_by_table"]), found["last_snapshot"], notes)


def _loads(connection: snowflake_connection.Account, load_id: str) -> list[dict]:
    if _LEDGER not in _tables(connection):
        return []
    return connection.rows(f"select rows_by_table, last_snapshot from {_LEDGER} where load_id = ?", [load_id])


def _tables(connection: snowflake_connection.Account) -> set[str]:
    """Relations of the two schemas, as schema.name."""
    return {
        f"{row['schema_name']}.{row['name']}"
        for row in connection.rows(
            "select lower(table_schema) as schema_name, lower(table_name) as name from information_schema.tables"
            " where lower(table_schema) in ('raw', 'operations')"
        )
    }


def _make_places(connection: snowflake_connection.Account) -> None:
    """Create missing tables and the stage. They are looked up first, because `create` needs a right of its own."""
    there = _tables(connection)
    wanted = {f"raw.{name}": table_columns(name) for name in TABLES} | {_LEDGER: _LEDGER_COLUMNS}
    for relation in sorted(wanted.keys() - there):
        _make_schema(connection, relation)
        connection.rows(f"create table if not exists {relation} ({wanted[relation]})")
    if not connection.rows("show stages like 'landing' in schema raw"):
        connection.rows(f"create stage if not exists {STAGE}")


def _make_schema(connection: snowflake_connection.Account, relation: str) -> None:
    schema = relation.partition(".")[0]
    if not connection.rows("select 1 as found from information_schema.schemata where lower(schema_name) = ?", [schema]):
        connection.rows(f"create schema if not exists {schema}")


def table_columns(name: str) -> str:
    """The columns of a landing table with their contract types, as SQL."""
    return ", ".join(
        f"{column} {'timestamp_ntz' if type_ == MOMENT else sql_type(type_).lower()}"
        for column, type_ in TABLES[name].columns.items()
    )


def _refuse_others(connection: snowflake_connection.Account, load_id: str) -> None:
    others = connection.rows(f"select load_id from {_LEDGER} where load_id <> ? order by load_id limit 1", [load_id])
    if others:
        raise NightbookError(
            f"the Snowflake database already holds {others[0]['load_id']}, and two lenders do not mix: set"
            f" SNOWFLAKE_DATABASE to another one to land {load_id}"
        )
    for name in TABLES:
        if connection.rows(f"select 1 as found from raw.{name} limit 1"):
            raise NightbookError(
                f"raw.{name} was filled by dbt seeds or another loader: set SNOWFLAKE_DATABASE to another database"
                f" to land {load_id}"
            )


def _copy(connection: snowflake_connection.Account, folder: Path, load_id: str) -> None:
    written = {name: _written(folder / name) for name in TABLES}
    for name in written:
        for part in sorted((folder / name).glob("*.parquet")):
            connection.put(part, f"{STAGE}/{load_id}/{name}")
    with connection.transaction():
        for name, rows in written.items():
            if rows:
                _copy_table(connection, name, load_id, rows)
        connection.rows(
            f"insert into {_LEDGER} (load_id, landed_at, rows_by_table, last_snapshot) values (?, ?, ?, ?)",
            [load_id, datetime.now(UTC).replace(tzinfo=None), json.dumps(written), _last_snapshot(folder)],
        )


def _clear(connection: snowflake_connection.Account, load_id: str) -> None:
    """Remove the files from the stage, because they hold names and addresses of people."""
    connection.rows(f"remove @{STAGE}/{load_id}/")


def _copy_table(connection: snowflake_connection.Account, name: str, load_id: str, rows: int) -> None:
    loaded = connection.rows(
        # `force`: Snowflake remembers files of this name from an earlier attempt, even if that attempt was rolled back.
        f"copy into raw.{name} from @{STAGE}/{load_id}/{name}/ file_format = (type = parquet use_logical_type = true)"
        " match_by_column_name = case_insensitive force = true"
    )
    arrived = sum(int(row["rows_loaded"]) for row in loaded)
    if arrived != rows:
        raise NightbookError(
            f"raw.{name}: {arrived:,} rows of {load_id} arrived, but {rows:,} were sent: nothing has landed; land it "
            "again"
        )


def _written(folder: Path) -> int:
    return sum(pq.read_metadata(part).num_rows for part in folder.glob("*.parquet"))


def _last_snapshot(folder: Path) -> date | None:
    parts = [pq.read_table(part, columns=["snapshot_date"]) for part in (folder / "loan_servicing").glob("*.parquet")]
    return pc.max(pa.concat_tables(parts)["snapshot_date"]).as_py() if parts else None
