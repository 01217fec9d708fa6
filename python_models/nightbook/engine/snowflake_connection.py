"""A connection to the Snowflake account of dbt's profile: rows as Python values, errors in one line."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nightbook.engine import messages
from nightbook.errors import NightbookError

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import ResultMetadata, SnowflakeCursor

# Session settings that make a date the same text for every reader.
_SESSION = {"TIMEZONE": "UTC", "DATE_OUTPUT_FORMAT": "YYYY-MM-DD"}


class Account:
    """An open connection. Values for question marks in SQL are bound, never written into it."""

    def __init__(self, connection: "SnowflakeConnection") -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: Sequence | None = None) -> list[dict]:
        """Rows of a statement as dictionaries: names in lower case, values as DuckDB's client returns them."""
        cursor = self._run(sql, parameters)
        names = [column.name.lower() for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def batches(self, sql: str, schema: pa.Schema, parameters: Sequence | None = None) -> Iterator[pa.Table]:
        """Stream a query as Arrow. Columns have the names, order and types of the schema."""
        with _in_one_line():
            for batch in self._run(sql, parameters).fetch_arrow_batches():
                yield batch.rename_columns(schema.names).cast(schema)

    def arrow_batches(self, sql: str, parameters: Sequence | None = None) -> Iterator[pa.Table]:
        """Stream a query as Arrow, with names in lower case."""
        with _in_one_line():
            for batch in self._run(sql, parameters).fetch_arrow_batches():
                yield batch.rename_columns([name.lower() for name in batch.column_names])

    def arrow(self, sql: str, parameters: Sequence | None = None) -> pa.Table:
        """Read a query with few rows as one Arrow table, with names in lower case."""
        with _in_one_line():
            found = self._run(sql, parameters).fetch_arrow_all(force_return_table=True)
        return found.rename_columns([name.lower() for name in found.column_names])

    def schema(self, sql: str) -> pa.Schema:
        """Names, in lower case, and Arrow types of the columns that a query would return."""
        with _in_one_line():
            described = self._connection.cursor().describe(sql)
        return pa.schema([(column.name.lower(), _arrow_type(column)) for column in described])

    def put(self, file: Path, folder: str) -> None:
        """Write a file to a folder of a stage, or replace it there. It is sent as a stream, so any path works."""
        with _in_one_line(), file.open("rb") as stream:
            sql = f"put file://{file.name} @{folder}/ auto_compress = false overwrite = true"
            self._connection.cursor().execute(sql, file_stream=stream)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction: all of it or nothing."""
        self.rows("begin")
        try:
            yield
        except BaseException:
            self.rows("rollback")
            raise
        self.rows("commit")

    def _run(self, sql: str, parameters: Sequence | None) -> "SnowflakeCursor":
        with _in_one_line():
            found = self._connection.cursor().execute(sql, parameters)
        # Only a blank statement returns no cursor.
        assert found is not None
        return found


@contextmanager
def connected() -> Iterator[Account]:
    """Open the Snowflake account of dbt's profile, and close it afterwards.

    Raises:
        NightbookError: the profile lacks something, or Snowflake cannot be reached or refuses.
    """
    import snowflake.connector

    given = _credentials()
    proof = _proof(given)
    with _in_one_line():
        connection = snowflake.connector.connect(
            account=given.account,
            database=given.database,
            schema=given.schema,
            warehouse=given.warehouse,
            role=given.role,
            # A session with all roles of its user would see through masks and exceed the rights of its one role.
            secondary_roles="NONE",
            paramstyle="qmark",
            arrow_number_to_decimal=True,
            application="nightbook",
            session_parameters=_SESSION | ({"QUERY_TAG": given.query_tag} if given.query_tag else {}),
            **proof,
        )
    try:
        yield Account(connection)
    finally:
        connection.close()


def name() -> str:
    """The Snowflake account and the database that dbt's profile names."""
    given = _credentials()
    return f"{given.account}/{given.database}".lower()


def _credentials() -> Any:
    """The credentials of dbt's profile, rendered by dbt, so that they are defined only once."""
    from argparse import Namespace

    from dbt.config.runtime import load_profile
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context

    folder = os.environ.get("DBT_PROFILES_DIR", os.getcwd())
    set_invocation_context(os.environ)
    set_from_args(Namespace(PROFILES_DIR=folder, PROJECT_DIR=os.getcwd()), None)
    try:
        return load_profile(os.getcwd(), {}).credentials
    except Exception as error:
        raise NightbookError(messages.one_line(str(error))) from error


def _proof(given: Any) -> dict:
    """The user who connects, and the key or token."""
    try:
        return given.auth_args()
    except (OSError, TypeError, ValueError) as error:
        raise NightbookError(messages.one_line(str(error))) from error


@contextmanager
def _in_one_line() -> Iterator[None]:
    from snowflake.connector.errors import Error

    try:
        yield
    except Error as error:
        raise NightbookError(messages.one_line(str(error))) from error


def _arrow_type(column: "ResultMetadata") -> pa.DataType:
    from snowflake.connector.constants import FIELD_ID_TO_NAME

    kind = FIELD_ID_TO_NAME[column.type_code]
    if kind == "FIXED":
        return pa.decimal128(column.precision, column.scale) if column.scale else pa.int64()
    return {
        "REAL": pa.float64(),
        "TEXT": pa.string(),
        "DATE": pa.date32(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP_NTZ": pa.timestamp("us"),
    }[kind]
