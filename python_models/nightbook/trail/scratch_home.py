"""The scratch home of a reproduction: landed rows, the record, and the stored night to compare with.

On DuckDB, the home's own file is attached as `book`. On Snowflake, the rows that the night depends on and its results
are fetched into DuckDB files. The night is then computed by another engine than the one that scored it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from nightbook.engine import home, messages
from nightbook.errors import NightbookError
from nightbook.landing import ledger
from nightbook.landing.contract import TABLES
from nightbook.registry import record
from nightbook.trail import landed_rows, snowflake_copy
from nightbook.trail.scored_nights import Chosen, Night

# An earlier version kept the record in these tables; they are views now.
_MIRRORS = (("audit", "fct_promotions"), ("audit", "fct_model_versions"))


def land(scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    """Fill schema raw of the scratch warehouse: all landed rows, or those that the chosen keys depend on.

    It also copies the record of versions, verdicts and promotions, without which nothing scores.
    """
    if home.is_account():
        snowflake_copy.fetch(scratch, night, chosen)
    else:
        _land_from_file(scratch, night, chosen)


@contextmanager
def beside(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The scratch warehouse, with the stored scores and inputs of the night attached as `book`."""
    file = snowflake_copy.file(scratch) if home.is_account() else home.warehouse()
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        try:
            connection.execute(f"attach '{_quoted(file)}' as book (read_only)")
        except duckdb.Error as error:
            raise NightbookError(messages.one_line(str(error))) from error
        yield connection


def carry_record(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    """Copy the record of versions, verdicts and promotions, with its audit log, from an attached warehouse.

    For a home that is made from another one and scores with its champions. The home's own record is replaced.
    """
    wanted = {(schema, table) for schema, table, _ in record.RELATIONS.values()} | {*_MIRRORS}
    for schema, table in connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ?", [database]
    ).fetchall():
        if (schema, table) in wanted:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create or replace table {schema}.{table} as from {database}.{schema}.{table}")


def _land_from_file(scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    with beside(scratch) as connection:
        carry_record(connection, "book")
        connection.execute("create schema raw")
        there = {
            name: view
            for name, view in connection.execute(
                "select table_name, null from duckdb_tables() where database_name = 'book' and schema_name = 'raw'"
                " union all"
                " select view_name, sql from duckdb_views() where database_name = 'book' and schema_name = 'raw'"
            ).fetchall()
            if name in TABLES
        }
        if chosen is None and any(there.values()):
            _share_landing(scratch, connection)
        conditions = {} if chosen is None else _conditions_on_file(connection, night, chosen)
        for name, view in there.items():
            if chosen is None and view:
                connection.execute(view)
            else:
                where = f" where {conditions[name]}" if name in conditions else ""
                connection.execute(f"create table raw.{name} as select * from book.raw.{name}{where}")


def _share_landing(scratch: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Let the scratch home read the home's loads, with the ledger that they are compared with."""
    (scratch / "landing").symlink_to(home.landing())
    if connection.execute(
        "select 1 from duckdb_tables() where database_name = 'book' and schema_name || '.' || table_name = ?",
        [ledger.RELATION],
    ).fetchone():
        connection.execute("create schema operations")
        # Code of an earlier commit compares whole paths.
        connection.execute(
            f"create table {ledger.RELATION} as select * replace ('{_quoted(home.landing())}/' || load_id as folder)"
            f" from book.{ledger.RELATION}"
        )


def _conditions_on_file(
    connection: duckdb.DuckDBPyConnection, night: Night, chosen: dict[str, Chosen]
) -> dict[str, str]:
    """Conditions over temporary tables, because DuckDB knows a table's size but only guesses a subquery's."""

    def keep(name: str, sql: str) -> str:
        connection.execute(f"create temp table {name} as {sql}")
        return name

    for kind, keys in chosen.items():
        connection.execute(f"create temp table chosen_{kind} (key varchar)")
        if keys.keys:
            connection.executemany(f"insert into chosen_{kind} values (?)", [[key] for key in keys.keys])
    return landed_rows.conditions(night, "book.raw", {kind: f"chosen_{kind}" for kind in chosen}, keep)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
