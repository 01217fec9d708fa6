"""Land a folder of Parquet or CSV files in the landing contract.

Everything is checked before the first byte is written. DuckDB reads and checks, so a hundred million rows need no more
memory than a thousand.
"""

import csv
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from nightbook import home
from nightbook.errors import NightbookError
from nightbook.landing import loads, store
from nightbook.landing.contract import COUNT, LOAD_COLUMNS, MOMENT, TABLES, TEXT, Table, sql_type

REQUIRED = ("accounts", "loan_servicing")
PARQUET_MAGIC = b"PAR1"
MEMORY_LIMIT = "4GB"


@dataclass(frozen=True)
class Source:
    """A file, or a folder of Parquet files, that holds one table.

    Attributes:
        name: as the user knows it.
        sql: what DuckDB reads it with.
        columns: its columns as spelled in the file, lowercase name to spelling.
        files: the files behind it, in order.
    """

    name: str
    sql: str
    columns: dict[str, str]
    files: tuple[Path, ...]


@store.one_line()
def land_files(directory: Path, now: datetime | None = None) -> store.Load:
    """Land `<table>.csv`, `<table>.parquet` or `<table>/*.parquet` for any of the landing tables.

    accounts and loan_servicing must be there; the others land empty when absent. `_loaded_at` and `_load_id` are filled
    in where absent. The same folder is one load however often it is landed: a second time writes nothing. Unlike the
    other origins it may join a home that holds loads already, so that corrections and new months can follow.

    Args:
        directory: the folder.
        now: the moment of landing, UTC; the clock when None.

    Raises:
        NightbookError: the first thing wrong, with the file, the column and the row (the first data row is row 1).
    """
    now = now or datetime.now(UTC)
    now = (now.astimezone(UTC) if now.tzinfo else now).replace(tzinfo=None, microsecond=0)
    found = _find(Path(directory))
    with _engine() as connection:
        sources = {name: open_source(connection, files) for name, files in found.items()}
        for name, source in sources.items():
            _check(connection, name, source, now)
        load_id = _load_id(sources)
        notes = tuple(_notes(sources))
        if loads.holds(load_id):
            loads.refresh_views()
            return loads.describe(load_id, (*notes, "these files had landed before: nothing was written"))
        with loads.incoming(load_id, alone=False) as folder:
            for name, source in sources.items():
                _copy(connection, folder, TABLES[name], name, source, load_id, now)
    return loads.describe(load_id, notes)


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    home.home().mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".spill-", dir=home.home()) as spill, duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"set temp_directory = {_text(spill)}")
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def open_source(connection: duckdb.DuckDBPyConnection, files: tuple[Path, ...], name: str | None = None) -> Source:
    """Look at a CSV file or at Parquet files: are they what their names say, and which columns do they have?

    CSV is UTF-8 with commas and a header; its columns come as text, an empty field as null.

    Raises:
        NightbookError: an empty file, another format, a header with a column twice, Parquet files that differ.
    """
    name = name or (files[0].name if len(files) == 1 else f"{files[0].parent.name}/")
    for file in files:
        _check_format(file)
    if files[0].suffix.lower() == ".csv":
        header = _header(files[0], name)
        columns = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in header)
        sql = (
            f"read_csv({_text(files[0])}, columns = {{{columns}}}, header = true, delim = ',', quote = '\"', "
            "escape = '\"', auto_detect = false)"
        )
    else:
        paths = ", ".join(_text(_glob_escaped(file)) for file in files)
        sql = f"read_parquet([{paths}], hive_partitioning = false)"
        with _readable(name):
            header = [row[0] for row in connection.execute(f"describe select * from {sql}").fetchall()]
    lower = [column.strip().lower() for column in header]
    for column in lower:
        if lower.count(column) > 1:
            raise NightbookError(f"{name}: column {column} appears twice in the header")
    return Source(name, sql, dict(zip(lower, header, strict=True)), files)


def first_row(connection: duckdb.DuckDBPyConnection, source: Source, condition: str) -> int | None:
    """Number of the first data row that meets a condition, counted from 1 over its files; None if none does."""
    query = f"select min(_row) from (select *, row_number() over () as _row from {source.sql}) where {condition}"
    with _readable(source.name):
        return connection.execute(query).fetchone()[0]


def misread(column: str, type_: pa.DataType) -> str:
    """SQL condition: the column has a value that its contract type cannot hold."""
    wrong = f"{parsed(column, type_)} is null"
    if type_ == COUNT:  # DuckDB would round 3.7 to 4.
        wrong += f" or try_cast({column} as double) <> {parsed(column, type_)}"
    return f"({column} is not null and ({wrong}))"


def parsed(column: str, type_: pa.DataType) -> str:
    """SQL for the column in its contract type, null where it does not parse."""
    if type_ == MOMENT:  # Through a time zone, so that +02:00 is honoured.
        return f"try_cast(try_cast({column} as timestamptz) as timestamp)"
    return f"try_cast({column} as {sql_type(type_)})"


def quoted(column: str) -> str:
    """A column's spelling as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _glob_escaped(file: Path) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(file))


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn DuckDB's complaint about a file into one line."""
    try:
        yield
    except duckdb.Error as error:
        first, *others = str(error).split(": ", 1)[-1].splitlines()
        line = re.search(r"CSV Error on Line: (\d+)", first)
        if not line:
            raise NightbookError(f"{name} cannot be read: {first.rstrip('. ')}") from error
        reason = next(other for other in others if other and not other.startswith("Original Line"))
        raise NightbookError(f"{name} row {int(line[1]) - 1}: {reason.rstrip('. ')}") from error


def _find(directory: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each table."""
    if not directory.is_dir():
        raise NightbookError(f"{directory} is not a folder: give the folder that holds your landing files")
    entries = sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))
    if not entries:
        raise NightbookError(f"{directory} is empty: put accounts and loan_servicing there, as .csv or .parquet")
    found: dict[str, tuple[Path, ...]] = {}
    origin: dict[str, str] = {}
    for entry in entries:
        table = entry.name if entry.is_dir() else entry.stem
        known = table in TABLES and (entry.is_dir() or entry.suffix.lower() in (".csv", ".parquet"))
        if not known:
            raise NightbookError(
                f"{entry.name} is not a landing table: name files <table>.csv or <table>.parquet, "
                f"where table is one of {', '.join(TABLES)}"
            )
        if table in found:
            raise NightbookError(f"{origin[table]} and {entry.name} hold the same table: keep one of them")
        files = tuple(sorted(entry.glob("*.parquet"))) if entry.is_dir() else (entry,)
        if not files:
            raise NightbookError(f"{entry.name}/ holds no .parquet file")
        found[table], origin[table] = files, entry.name
    for table in REQUIRED:
        if table not in found:
            raise NightbookError(f"{directory} has no {table}.csv or {table}.parquet: this table is required")
    return {table: found[table] for table in TABLES if table in found}


def _check_format(file: Path) -> None:
    with file.open("rb") as stream:
        head = stream.read(65_536)
    if not head:
        raise NightbookError(f"{file.name} is empty (0 bytes)")
    is_parquet = head.startswith(PARQUET_MAGIC)
    if file.suffix.lower() == ".parquet" and not is_parquet:
        raise NightbookError(f"{file.name} is not a Parquet file")
    if file.suffix.lower() == ".csv" and (is_parquet or b"\0" in head):
        raise NightbookError(f"{file.name} is not a CSV file: it holds {'Parquet' if is_parquet else 'binary'} data")


def _header(file: Path, name: str) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return next(csv.reader(stream))
    except UnicodeDecodeError as error:
        raise NightbookError(f"{name} is not UTF-8 text: save it as UTF-8") from error
    except (StopIteration, csv.Error) as error:
        raise NightbookError(f"{name} has no header line") from error


def _check(connection: duckdb.DuckDBPyConnection, name: str, source: Source, now: datetime) -> None:
    table = TABLES[name]
    for column in table.columns:
        if column not in source.columns and column not in LOAD_COLUMNS:
            raise NightbookError(f"{source.name}: column {column} is missing")
    faults = list(_faults(table, source, now))
    flags = ", ".join(f"bool_or({condition})" for condition, _, _ in faults)
    # DuckDB checks the encoding of the columns that a query reads, so every one is read.
    read = ", ".join(f"count({quoted(source.columns[column])})" for column in table.columns if column in source.columns)
    with _readable(source.name):
        count, *bad = connection.execute(f"select count(*), {flags}, {read} from {source.sql}").fetchone()
    if name in REQUIRED and not count:
        raise NightbookError(f"{source.name} has no rows")
    for (condition, column, complaint), failed in zip(faults, bad, strict=False):
        if failed:
            row = first_row(connection, source, condition)
            shown = _value(connection, source, column, row)
            raise NightbookError(f"{source.name} row {row}: {column} {complaint.format(value=shown)}")
    _check_grain(connection, table, source)


def _faults(table: Table, source: Source, now: datetime) -> Iterator[tuple[str, str, str]]:
    """What may be wrong with one row: SQL condition, column, complaint. Types come first."""
    present = {column: quoted(source.columns[column]) for column in table.columns if column in source.columns}
    value = {column: parsed(name, table.columns[column]) for column, name in present.items()}
    for column, name in present.items():
        if (type_ := table.columns[column]) != TEXT:
            yield misread(name, type_), column, f"is {{value}}, which is not {_A_TYPE[type_]}"
    for column in table.grain:
        yield f"{present[column]} is null", column, "is null, but it names the row"
    for column in LOAD_COLUMNS:
        if column in present:
            yield f"{present[column]} is null", column, "is null: fill it in or leave the column out"
    for column, allowed in table.allowed.items():
        listed = ", ".join(map(_text, allowed))
        yield f"{present[column]} not in ({listed})", column, f"is {{value}}, which is none of {', '.join(allowed)}"
    for column in table.dates:
        yield f"{value[column]} > date '{now.date()}'", column, f"is {{value}}, after today ({now.date()})"
    if "_loaded_at" in present:
        yield f"{value['_loaded_at']} > timestamp '{now}'", "_loaded_at", f"is {{value}}, after now ({now} UTC)"
    for column in table.non_negative:
        yield f"{value[column]} < 0", column, "is {value}, which is below zero"


_A_TYPE = {
    type_: {"DATE": "a date (YYYY-MM-DD)", "INTEGER": "a whole number", "BOOLEAN": "true or false"}.get(
        sql_type(type_),
        "a UTC timestamp (YYYY-MM-DD HH:MM:SS)" if type_ == MOMENT else f"a number that fits {sql_type(type_)}",
    )
    for table in TABLES.values()
    for type_ in table.columns.values()
}


def _value(connection: duckdb.DuckDBPyConnection, source: Source, column: str, row: int) -> str:
    name = quoted(source.columns[column])
    (value,) = connection.execute(f"select {name} from {source.sql} limit 1 offset {row - 1}").fetchone()
    return repr(value[:40]) if isinstance(value, str) else str(value)


def _check_grain(connection: duckdb.DuckDBPyConnection, table: Table, source: Source) -> None:
    """Within a load the grain and `_loaded_at` together are unique."""
    key = [column for column in (*table.grain, "_loaded_at") if column in source.columns]
    values = {column: parsed(quoted(source.columns[column]), table.columns[column]) for column in key}
    keys = ", ".join(values.values())
    duplicate = f"select {keys} from {source.sql} group by {keys} having count(*) > 1 limit 1"
    with _readable(source.name):
        found = connection.execute(duplicate).fetchone()
    if found:
        shown = ", ".join(f"{column} {value}" for column, value in zip(key, found, strict=True))
        same = " and ".join(f"{values[c]} = {_text(v)}" for c, v in zip(key, found, strict=True))
        first = first_row(connection, source, same)
        again = first_row(connection, source, f"{same} and _row > {first}")
        raise NightbookError(f"{source.name} row {again}: {shown} is already in row {first}")


def _load_id(sources: dict[str, Source]) -> str:
    digest = hashlib.sha256()
    for table, source in sources.items():
        for file in source.files:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{table} {file.suffix.lower()} {content}\n".encode())
    return f"files-{digest.hexdigest()[:12]}"


def _notes(sources: dict[str, Source]) -> Iterator[str]:
    for table, source in sources.items():
        extra = [column for column in source.columns if column not in TABLES[table].columns]
        if extra:
            yield f"{source.name}: ignored columns that the contract does not have: {', '.join(extra)}"


def _copy(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    table: Table,
    name: str,
    source: Source,
    load_id: str,
    now: datetime,
) -> None:
    filled_in = {"_loaded_at": f"timestamp '{now}'", "_load_id": _text(load_id)}
    columns = ", ".join(
        f"{parsed(quoted(source.columns[c]), type_) if c in source.columns else filled_in[c]} as {c}"
        for c, type_ in table.columns.items()
    )
    (folder / name).mkdir()
    target = folder / name / "part-00000.parquet"
    with _readable(source.name):
        connection.execute(f"copy (select {columns} from {source.sql}) to {_text(target)} (format parquet)")
