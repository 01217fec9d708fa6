"""Reading the warehouse beside dbt: one read-only connection, rows as dictionaries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from nightbook import builds, home
from nightbook.errors import NightbookError

Query = Callable[..., list[dict]]


@contextmanager
def reading() -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the home's warehouse.

    Raises:
        NightbookError: there is none, or a build holds it.
    """
    if not home.warehouse().exists():
        raise NightbookError(f"{home.warehouse()} does not exist: nothing was ever landed or scored in this home")
    try:
        connection = duckdb.connect(str(home.warehouse()), read_only=True)
    except duckdb.Error as error:
        raise NightbookError(builds.one_line(str(error))) from error
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> list[dict]:
    """What a query gives, a dictionary per row."""
    cursor = connection.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def asking() -> Iterator[Query]:
    """A function from SQL, and values for its question marks, to rows; the connection is `reading()`'s."""
    with reading() as connection:
        yield lambda sql, parameters=None: rows(connection, sql, parameters)


def has(query: Query, schema: str, table: str) -> bool:
    """Whether the warehouse holds a relation."""
    return bool(
        query("select 1 from information_schema.tables where table_schema = ? and table_name = ?", [schema, table])
    )
