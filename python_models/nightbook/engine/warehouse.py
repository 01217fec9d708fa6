"""Read the warehouse outside dbt, DuckDB's file or a Snowflake account: one connection, rows as dictionaries."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from nightbook.engine import home, messages, moved, snowflake_connection
from nightbook.errors import NightbookError

Query = Callable[..., list[dict]]
Connection = duckdb.DuckDBPyConnection | snowflake_connection.Account


def exists() -> bool:
    """Whether there is a warehouse to query. For a Snowflake account this is assumed."""
    return home.is_account() or home.warehouse().exists()


@contextmanager
def reading() -> Iterator[Connection]:
    """Connect to the target's warehouse, read-only if the engine supports it.

    If the home was moved, its views are first pointed at it.

    Raises:
        NightbookError: there is no warehouse, a build holds it, Snowflake refuses, or as `moved.settle`.
    """
    if home.is_account():
        with snowflake_connection.connected() as account:
            yield account
        return
    if not home.warehouse().exists():
        raise NightbookError(f"{home.warehouse()} does not exist: nothing has been landed or scored in this home")
    try:
        connection = duckdb.connect(str(home.warehouse()), read_only=True)
        if moved.has(connection):
            connection.close()
            with duckdb.connect(str(home.warehouse())) as writable:
                moved.settle(writable)
            connection = duckdb.connect(str(home.warehouse()), read_only=True)
    except duckdb.Error as error:
        raise NightbookError(messages.one_line(str(error))) from error
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: Connection, sql: str, parameters: Sequence[Any] | None = None) -> list[dict]:
    """Rows of a query as dictionaries."""
    if isinstance(connection, snowflake_connection.Account):
        return connection.rows(sql, parameters)
    cursor = connection.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def arrow(connection: Connection, sql: str, parameters: Sequence[Any] | None = None) -> pa.Table:
    """Rows of a query as Arrow, for few rows."""
    if isinstance(connection, snowflake_connection.Account):
        return connection.arrow(sql, parameters)
    return connection.sql(sql, params=parameters).to_arrow_table()


def literal(text: str) -> str:
    """A text as an SQL literal, for places that take no parameter."""
    # In Snowflake a backslash escapes the next character.
    return "'" + (text.replace("\\", "\\\\") if home.is_account() else text).replace("'", "''") + "'"


def batches(connection: Connection, sql: str, parameters: list | None = None) -> Iterator[pa.RecordBatch]:
    """Rows of a query as a stream of Arrow batches, for more rows than memory holds."""
    if isinstance(connection, snowflake_connection.Account):
        for found in connection.arrow_batches(sql, parameters):
            yield from found.to_batches()
        return
    yield from connection.sql(sql, params=parameters).to_arrow_reader(65_536)


def query(connection: Connection) -> Query:
    """A function that takes SQL, and values for its question marks, and returns rows of a connection."""
    return lambda sql, parameters=None: rows(connection, sql, parameters)


@contextmanager
def asking() -> Iterator[Query]:
    """As `reading`, but yields a function that takes SQL, and values for its question marks, and returns rows."""
    with reading() as connection:
        yield query(connection)


def has(query: Query, schema: str, table: str) -> bool:
    """Whether the warehouse holds a table or a view."""
    return bool(
        query(
            "select 1 as found from information_schema.columns where lower(table_schema) = ? and lower(table_name) = ?"
            " limit 1",
            [schema, table],
        )
    )
