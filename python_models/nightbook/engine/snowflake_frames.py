"""Snowpark's side of `frames`: relations as Arrow with lower-case names, and Arrow as relations with explicit types.

Nothing here uses pandas. Its types differ from the relation's: timestamps lose digits and NaN becomes null.
"""

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from snowflake.snowpark import DataFrame, Session
    from snowflake.snowpark.types import DataType

_COLUMN_TYPES = {
    pa.string(): "varchar",
    pa.float64(): "float",
    pa.int32(): "integer",
    pa.int64(): "integer",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp_ntz",
}


def table(frame: "DataFrame", order_by: Sequence[str] = ()) -> pa.Table:
    """Read a whole relation as Arrow, in the order of `order_by`."""
    from snowflake.snowpark.functions import col

    chosen = _exact(frame)
    if order_by:
        # As SQL orders. Snowpark's default puts nulls first.
        chosen = chosen.sort(*(col(name).asc_nulls_last() for name in order_by))
    return _typed(chosen.to_arrow(), frame)


def batches(frame: "DataFrame", keys: Sequence[str], numbers: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Stream some columns of a relation, numbers as float32."""
    chosen = frame.select_expr(*keys, *(f"cast({name} as float) as {name}" for name in numbers))
    types = {field.name.lower(): _arrow_type(field.datatype) for field in frame.schema.fields}
    schema = pa.schema([(name, types[name]) for name in keys] + [(name, pa.float32()) for name in numbers])
    for piece in chosen.to_arrow_batches():
        yield from piece.rename_columns(schema.names).cast(schema).to_batches()


def written(session: "Session", schema: pa.Schema, stream: Iterable[pa.RecordBatch]) -> "DataFrame":
    """Write a stream of batches to a temporary table. Only one batch is in memory and on the local disk at a time."""
    name = f"nightbook_{uuid.uuid4().hex}"
    columns = ", ".join(f"{field.name} {_COLUMN_TYPES[field.type]}" for field in schema)
    session.sql(f"create temporary table {name} ({columns})").collect()
    session.sql(f"create temporary stage {name}").collect()
    is_empty = True
    with tempfile.TemporaryDirectory() as folder:
        for number, batch in enumerate(stream):
            file = Path(folder) / f"{number}.parquet"
            pq.write_table(pa.Table.from_batches([batch], schema), file)
            session.file.put(str(file), f"@{name}", auto_compress=False, overwrite=True)
            file.unlink()
            is_empty = False
    if not is_empty:
        session.sql(
            f"copy into {name} from @{name} file_format = (type = parquet use_logical_type = true)"
            " match_by_column_name = case_insensitive"
        ).collect()
    return session.table(name)


def columns(session: "Session") -> dict[str, list[str]]:
    """Columns of every relation of the database, in order, by schema.name."""
    found: dict[str, list[str]] = {}
    for row in session.sql(
        "select lower(table_schema) as s, lower(table_name) as t, lower(column_name) as c"
        " from information_schema.columns where table_schema <> 'INFORMATION_SCHEMA'"
        " order by table_schema, table_name, ordinal_position"
    ).collect():
        found.setdefault(f"{row['S']}.{row['T']}", []).append(row["C"])
    return found


def engine(session: "Session") -> str:
    """Name and version of the SQL engine."""
    return f"snowflake {session.sql('select current_version() as v').collect()[0]['V']}"


def _exact(frame: "DataFrame") -> "DataFrame":
    """The relation with decimals cast to double by SQL. The client's own conversion can be off by one bit."""
    return frame.select_expr(
        *(
            f"cast({field.name} as float) as {field.name}" if getattr(field.datatype, "scale", 0) else field.name
            for field in frame.schema.fields
        )
    )


def _typed(found: pa.Table, frame: "DataFrame") -> pa.Table:
    """Restore the relation's types. The wire format uses the narrowest type that fits the values."""
    fields = [(field.name.lower(), _arrow_type(field.datatype)) for field in frame.schema.fields]
    return found.rename_columns([name for name, _ in fields]).cast(pa.schema(fields))


def _arrow_type(kind: "DataType") -> pa.DataType:
    from snowflake.snowpark import types

    if isinstance(kind, types.DecimalType):
        return pa.float64() if kind.scale else pa.int64()
    for snowpark_type, arrow_type in (
        (types.StringType, pa.string()),
        (types.BooleanType, pa.bool_()),
        (types.DateType, pa.date32()),
        (types.TimestampType, pa.timestamp("us")),
        ((types.ByteType, types.ShortType, types.IntegerType, types.LongType), pa.int64()),
        ((types.FloatType, types.DoubleType), pa.float64()),
    ):
        if isinstance(kind, snowpark_type):
            return arrow_type
    raise TypeError(f"a column of type {kind} has no Arrow type here: cast it in the model that reads it")
