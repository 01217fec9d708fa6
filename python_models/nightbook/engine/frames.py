"""The one module that knows the engines' data frames: from `dbt.ref` to Arrow, and from Arrow to what dbt takes back.

DuckDB's relations are read here. Snowpark's frames, recognized by their type, are read by `snowflake_frames`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightbook.engine import snowflake_frames

# Each engine's package may be missing where the other one runs.
if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation
    from snowflake.snowpark import DataFrame
    from snowflake.snowpark import Session as Snowpark
    from typing_extensions import TypeIs

Frame: TypeAlias = "DuckDBPyRelation | DataFrame"
Session: TypeAlias = "DuckDBPyConnection | Snowpark"
# What a dbt Python model returns.
Made: TypeAlias = "pa.Table | pa.RecordBatchReader | DataFrame"

BATCH_ROWS = 65_536
CACHED_ROWS = 2_048
# DuckDB settings of resources, which change no result.
_NO_MATTER = ("max_memory", "memory_limit", "preserve_insertion_order", "temp_directory", "threads", "worker_threads",
              "write_buffer_row_group_memory_limit")  # fmt: skip


def is_snowpark(thing: object) -> "TypeIs[DataFrame | Snowpark]":
    """Whether a frame or a session is Snowpark's."""
    return type(thing).__module__.startswith("snowflake.")


def table(relation: Frame, order_by: Sequence[str] = ()) -> pa.Table:
    """Read a whole relation as Arrow, ordered by `order_by`. For small or training relations."""
    if is_snowpark(relation):
        return snowflake_frames.table(relation, order_by)
    if order_by:
        relation = relation.order(", ".join(order_by))
    return relation.to_arrow_table()


def rows(relation: Frame, order_by: Sequence[str] = ()) -> list[dict]:
    """Read a small relation as dictionaries."""
    return table(relation, order_by).to_pylist()


def batches(relation: Frame, keys: Sequence[str], numbers: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Stream some columns of a relation, numbers as float32. Only one batch is in memory at a time."""
    if is_snowpark(relation):
        yield from snowflake_frames.batches(relation, keys, numbers)
        return
    chosen = [f'"{key}"' for key in keys] + [
        f'cast(cast("{number}" as double) as float) as "{number}"' for number in numbers
    ]
    yield from relation.project(", ".join(chosen)).to_arrow_reader(BATCH_ROWS)


def relation(session: Session, schema: pa.Schema, stream: Iterable[pa.RecordBatch]) -> Made:
    """Return a stream as what a dbt Python model returns. It is written while it is produced."""
    if is_snowpark(session):
        return snowflake_frames.written(session, schema, stream)
    return pa.RecordBatchReader.from_batches(schema, iter(stream))


def records(session: Session, schema: pa.Schema, items: Iterable[dict]) -> Made:
    """Return a few rows as what a dbt Python model returns. An empty list gives an empty relation with all columns."""
    found = pa.Table.from_pylist(list(items), schema=schema)
    return snowflake_frames.written(session, schema, found.to_batches()) if is_snowpark(session) else found


def matrix(batch: pa.RecordBatch | pa.Table, columns: Sequence[str]) -> np.ndarray:
    """Columns as the float32 matrix that XGBoost reads, NaN for null, shape (rows, columns), row-major."""
    values = np.empty((batch.num_rows, len(columns)), dtype=np.float32)
    known = [floats(batch.column(name)) for name in columns]
    # In blocks of rows, so that the rows into which each column is written stay in the processor's cache.
    for start in range(0, batch.num_rows, CACHED_ROWS):
        for number, column in enumerate(known):
            values[start : start + CACHED_ROWS, number] = column[start : start + CACHED_ROWS]
    return values


def floats(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A numeric column as an array of floats, NaN for null: float32 stays float32, others become float64."""
    if column.type != pa.float32():
        return doubles(column)
    return column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()


def doubles(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A numeric column as float64, NaN for null."""
    if pa.types.is_decimal(column.type) and column.type.scale > 0:
        # Arrow multiplies by a rounded power of ten and can miss the nearest double, which SQL gives, by one bit.
        column = pc.cast(column, pa.string())
    column = pc.cast(column, pa.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()


def columns(session: Session) -> dict[str, list[str]]:
    """Columns of every relation of the warehouse, in order, by schema.name."""
    if is_snowpark(session):
        return snowflake_frames.columns(session)
    found: dict[str, list[str]] = {}
    for schema, table, column in session.execute(
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where database_name = current_database() and not internal order by schema_name, table_name, column_index"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", []).append(column)
    return found


def kept(session: Session, relation: str) -> pa.Table:
    """A relation, schema.name, as an earlier run left it, for a model that carries it on."""
    return table(session.table(relation))


def count(relation: Frame) -> int:
    """Number of rows of a relation."""
    return relation.count() if is_snowpark(relation) else relation.aggregate("count(*) as n").fetchall()[0][0]


def engine(session: Session) -> str:
    """Name and version of the SQL engine for the audit trail, with DuckDB settings that differ from the default.

    Memory, threads and paths are left out, because no result depends on them.
    """
    if is_snowpark(session):
        return snowflake_frames.engine(session)
    # Not installed beside a Snowpark session.
    import duckdb

    settings = "select name, value from duckdb_settings() order by name"
    with duckdb.connect() as another:
        usual = set(another.execute(settings).fetchall())
    [(version,)] = session.execute("select version()").fetchall()
    others = [one for one in session.execute(settings).fetchall() if one not in usual and one[0] not in _NO_MATTER]
    return ", ".join([f"duckdb {version.removeprefix('v')}", *(f"{name}={value}" for name, value in others)])
