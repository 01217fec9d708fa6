"""Gaps of fakesnow: where it differs from Snowflake in ways that this project would notice. One function per gap."""

import re
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from fakesnow import arrow, info_schema, rowtype, server, transforms
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.transforms import stage
from snowflake.connector.errors import DatabaseError, ProgrammingError
from sqlglot import exp


def apply() -> None:
    """Apply all corrections, once per process."""
    _errors_are_the_statements()
    _one_statement_at_a_time()
    _missing_timestamps_stay_missing()
    _sums_keep_their_type()
    _small_types_have_a_name()
    _files_are_listed_by_path()
    _stages_may_be_quoted()
    _temporary_tables_are_loaded()
    _bound_decimals_keep_their_places()
    _stages_are_cleared()
    _nothing_is_noted_beside_a_transaction()


def _errors_are_the_statements() -> None:
    """A DuckDB error would look like a broken server, and the client would repeat the request."""
    execute = FakeSnowflakeCursor.execute

    def told(self, *arguments, **options):
        try:
            return execute(self, *arguments, **options)
        except (DatabaseError, NotImplementedError):
            raise
        except Exception as error:
            text = str(error) or repr(error)
            errno, state = (100357, "P0000") if "Python Interpreter Error" in text else (100038, "22018")
            raise ProgrammingError(msg=text, errno=errno, sqlstate=state) from error

    FakeSnowflakeCursor.execute = told


def _one_statement_at_a_time() -> None:
    """DuckDB refuses two writers of one table, even of fakesnow's own catalog. In Snowflake one of them waits."""
    turn = threading.RLock()
    execute = FakeSnowflakeCursor._execute

    def waiting(self, *arguments, **options):
        with turn:
            return execute(self, *arguments, **options)

    FakeSnowflakeCursor._execute = waiting


def _missing_timestamps_stay_missing() -> None:
    """A null timestamp would arrive as 1 January 1970."""
    to_struct = arrow.timestamp_to_sf_struct

    def with_nulls(timestamps: pa.Array | pa.ChunkedArray) -> pa.Array:
        if isinstance(timestamps, pa.ChunkedArray):
            timestamps = timestamps.combine_chunks()
        known = pc.fill_null(timestamps, pa.scalar(0, timestamps.type))
        struct = to_struct(known)
        return pa.StructArray.from_arrays(struct.flatten(), fields=list(struct.type), mask=pc.is_null(timestamps))

    arrow.timestamp_to_sf_struct = with_nulls


def _sums_keep_their_type() -> None:
    """Every argument of an aggregate would become a double, so a sum of money would depend on the order of rows."""
    transforms.numeric_agg_implicit_cast = lambda expression: expression


def _small_types_have_a_name() -> None:
    rowtype.duckdb_to_sf_type |= {"TINYINT": "fixed", "SMALLINT": "fixed", "FLOAT": "real"}


def _files_are_listed_by_path() -> None:
    """LIST @stage/file would treat the file's name as part of the stage's name."""
    listed = stage.list_stage_files_sql
    parts = stage.parts_from_var

    def without_path(name: str, *where, **named) -> tuple[str, str, str]:
        _asked.path = name.partition("/")[2]
        return parts(name.partition("/")[0], *where, **named)

    def below_path(stage_name: str) -> str:
        sql = listed(stage_name)
        if not _asked.path:
            return sql
        path = f"{stage_name.rsplit('.', 1)[-1].lower()}/{_asked.path}".replace("'", "''")
        return f"select * from ({sql}) where starts_with(name, '{path}')"

    stage.parts_from_var, stage.list_stage_files_sql = without_path, below_path


def _stages_may_be_quoted() -> None:
    """PUT file '@stage', as Snowpark writes it, would not find the stage."""
    put = transforms.put_stage

    def unquoted(expression, *arguments):
        if isinstance(expression, exp.Put) and (name := expression.args["target"].name).startswith("'"):
            expression.set("target", exp.Var(this=name.strip("'")))
        return put(expression, *arguments)

    transforms.put_stage = unquoted


def _temporary_tables_are_loaded() -> None:
    """COPY INTO would look for a temporary table in the current schema, but DuckDB keeps it elsewhere."""
    # In fakesnow, a function has the same name as its module.
    copy_into = sys.modules["fakesnow.copy_into"]
    describe = copy_into._describe_table

    def temporary_first(table: exp.Table, engine, *where) -> list:
        sql = "select 1 from duckdb_tables() where temporary and table_name = ?"
        if not table.db and engine.execute(sql, [table.name]).fetchone():
            return engine.execute(f'describe temp.main."{table.name}"').fetchall()
        return describe(table, engine, *where)

    copy_into._describe_table = temporary_first


def _bound_decimals_keep_their_places() -> None:
    """Every bound number would be read as an integer, and a decimal would break the server."""
    read = server.from_binding

    def exactly(binding: dict[str, str]):
        if binding["type"] == "FIXED" and "." in (binding["value"] or ""):
            return Decimal(binding["value"])
        return read(binding) if binding["value"] is not None else None

    server.from_binding = exactly


def _stages_are_cleared() -> None:
    """fakesnow does not support REMOVE @stage/path."""
    execute = FakeSnowflakeCursor.execute

    def removing(self, command: str, *arguments, **options):
        found = re.match(r"\s*(?:/\*.*?\*/\s*)?(?:remove|rm)\s+@([\w.]+)/?(\S*)", command, re.IGNORECASE | re.DOTALL)
        if found is None:
            return execute(self, command, *arguments, **options)
        name = ".".join(stage.parts_from_var(found[1], self._conn.database, self._conn.schema))
        folder = Path(stage.internal_dir(name))
        removed = [file for file in folder.rglob("*") if file.is_file()]
        removed = [file for file in removed if file.relative_to(folder).as_posix().startswith(found[2].rstrip(";'"))]
        for file in removed:
            file.unlink()
        return execute(self, f"select '{len(removed)} files' as name, 'removed' as result", **options)

    FakeSnowflakeCursor.execute = removing


def _nothing_is_noted_beside_a_transaction() -> None:
    """Text lengths and comments would be written to another database, which DuckDB refuses within a transaction.

    Nothing here reads them.
    """
    info_schema.insert_text_lengths_sql = info_schema.insert_table_comment_sql = lambda *_: "select 1"


_asked = threading.local()
