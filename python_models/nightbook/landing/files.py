"""Land a folder of Parquet or CSV files in the landing contract.

Everything is checked before the first byte is written. DuckDB reads and checks, so memory does not grow with the number
of rows.
"""

import csv
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from nightbook import shown
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import casts, intake, loads, pages, store
from nightbook.landing.contract import LOAD_COLUMNS, MOMENT, TABLES, TEXT, Table, sql_type

REQUIRED = ("accounts", "loan_servicing")
PARQUET_MAGIC, ENCRYPTED_MAGIC = b"PAR1", b"PARE"
MEMORY_LIMIT = "4GB"
SPILL = ".spill-"


@dataclass(frozen=True)
class Source:
    """A file, or a folder of Parquet files, that holds one table.

    Attributes:
        name: the user's name for it.
        sql: what DuckDB reads it with.
        columns: lowercase column name -> spelling in the file.
        types: lowercase column name -> type as DuckDB reads it.
        files: the copies behind it, in order.
        is_verified: whether its bytes are proven, by a SHA256SUMS or by a checksum of every page.
    """

    name: str
    sql: str
    columns: dict[str, str]
    types: dict[str, str]
    files: tuple[intake.Taken, ...]
    is_verified: bool


@dataclass(frozen=True)
class _Found:
    """Result of checking a source. `notes`: remarks for the user, one line each."""

    rows: int
    keys: int
    notes: tuple[str, ...]


@store.one_line()
def land_files(directory: Path, now: datetime | None = None) -> store.Load:
    """Land `<table>.csv`, `<table>.parquet` or `<table>/*.parquet` for any of the landing tables.

    accounts and loan_servicing are required; other missing tables land empty. `_loaded_at` and `_load_id` are filled in
    if they are missing. The same files are one load: landing them again writes nothing. Other sources refuse a home
    with other loads. Files may join them, so that corrections and new months can follow.

    Every file is copied first; the copy is checked and landed. A SHA256SUMS beside the files must list each of them.

    Args:
        directory: the folder.
        now: the time of landing, UTC; None means the clock.

    Raises:
        NightbookError: the first error, with the file, the column and the row (the first data row is row 1).
    """
    now = now or datetime.now(UTC)
    now = (now.astimezone(UTC) if now.tzinfo else now).replace(tzinfo=None, microsecond=0)
    found = _find(Path(directory))
    with engine() as (connection, copies):
        taken = _take(Path(directory), found, copies)
        sources = {name: open_source(connection, files, TABLES[name]) for name, files in taken.items()}
        counted = {name: _check(connection, name, source, now) for name, source in sources.items()}
        load_id = _load_id(sources)
        notes = tuple(_notes(sources, counted))
        if loads.holds(load_id):
            loads.refresh_views()
            return loads.describe(load_id, (*notes, "these files had already landed: nothing was written"))
        about = {
            "keys": {name: one.keys for name, one in counted.items()},
            "sources": {file.name: file.sha256 for source in sources.values() for file in source.files},
            "unverified": [source.name for source in sources.values() if not source.is_verified],
        }
        with loads.incoming(load_id, alone=False, about=about) as folder:
            for name, source in sources.items():
                written = _copy(connection, folder, TABLES[name], name, source, load_id, now)
                if written != counted[name].rows:
                    raise NightbookError(
                        f"{source.name}: {counted[name].rows:,} rows were checked, but {written:,} were read: ask for "
                        "a new copy"
                    )
    return loads.describe(load_id, notes)


@contextmanager
def engine() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """DuckDB for reading a lender's files, and a folder for their copies. Both are removed at the end."""
    home.home().mkdir(parents=True, exist_ok=True)
    # Left by a killed command, with a lender's data in it.
    for left in home.home().glob(f"{SPILL}*"):
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=SPILL, dir=home.home()) as spill, duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"set temp_directory = {_text(spill)}")
        connection.execute("set TimeZone = 'UTC'")
        # A Parquet footer may be wrong about its values. With this optimizer, DuckDB would answer checks from the
        # footer.
        connection.execute("set disabled_optimizers = 'statistics_propagation'")
        copies = Path(spill) / "copies"
        copies.mkdir()
        yield connection, copies


def open_source(
    connection: duckdb.DuckDBPyConnection, files: tuple[intake.Taken, ...], table: Table | None = None
) -> Source:
    """Open a CSV file or the Parquet files of one table: check their format and find their columns.

    CSV is UTF-8 with commas and a header. Its columns are read as text, an empty field as null.

    Args:
        connection: what reads them.
        files: one CSV file, or the Parquet files of one table.
        table: the table whose columns will be read. Other columns are only listed.

    Raises:
        NightbookError: an empty or damaged file, another format, a column twice, or Parquet files that differ.
    """
    name = files[0].name if len(files) == 1 else f"{files[0].name.rpartition('/')[0]}/"
    for file in files:
        _check_format(file)
    is_verified = all(file.is_listed for file in files)
    if files[0].name.lower().endswith(".csv"):
        header = _header(files[0].path, name)
        columns = ", ".join(f"{_text(column)}: 'VARCHAR'" for column in header)
        sql = (
            f"read_csv({_text(files[0].path)}, columns = {{{columns}}}, header = true, delim = ',', quote = '\"', "
            "escape = '\"', auto_detect = false)"
        )
        lower = [column.strip().lower() for column in header]
        for column in lower:
            if lower.count(column) > 1:
                raise NightbookError(f"{name}: column {shown.line(column)} appears twice in the header")
        types = dict.fromkeys(lower, casts.VARCHAR)
    else:
        wanted = table.columns if table else {}
        headers = [pages.header(file.path, file.name) for file in files]
        has_checksums = [pages.verify(file.path, file.name, wanted, file.is_listed) for file in files]
        is_verified = is_verified or all(has_checksums)
        sql, types = _parquet(connection, files, wanted)
        lower = [column.strip().lower() for column in headers[0]]
        header = lower if sql.startswith("(") else headers[0]
    return Source(name, sql, dict(zip(lower, header, strict=True)), types, files, is_verified)


def _parquet(
    connection: duckdb.DuckDBPyConnection, files: tuple[intake.Taken, ...], wanted: Mapping[str, pa.DataType]
) -> tuple[str, dict[str, str]]:
    """SQL that reads the parts, and the type of each column, which is the same for every part."""
    types = [_types(connection, file, wanted) for file in files]
    common = dict(types[0])
    for file, own in zip(files, types, strict=True):
        for column in common.keys() | own.keys():
            here, there = own.get(column, "missing"), common.get(column, "missing")
            both = casts.common(here, there) if column in wanted else here if here == there else None
            if both is None or "missing" in (here, there):
                raise NightbookError(
                    f"{file.name}: column {shown.line(column)} is {here}, but in earlier parts it is {there}: write"
                    " all parts of a table with the same columns and types"
                )
            common[column] = both
    paths = [_text(_glob_escaped(file.path)) for file in files]
    if all(own == common for own in types):
        return f"read_parquet([{', '.join(paths)}], hive_partitioning = false)", common
    # DuckDB casts parts that differ to the types of the first. After a part of whole numbers, 3.75 would become 4.
    parts = []
    for file, path in zip(files, paths, strict=True):
        columns = ", ".join(
            f"cast({quoted(spelling)} as {common[lower]}) as {quoted(lower)}"
            for spelling in pages.header(file.path, file.name)
            if (lower := spelling.strip().lower()) in wanted
        )
        parts.append(f"select {columns} from read_parquet({path}, hive_partitioning = false)")
    return f"({' union all by name '.join(parts)})", common


def _types(
    connection: duckdb.DuckDBPyConnection, file: intake.Taken, wanted: Mapping[str, pa.DataType]
) -> dict[str, str]:
    """How DuckDB reads each column of a part. It must agree with pyarrow, which checked the values."""
    with _readable(file.name, (file,)):
        described = connection.execute(
            f"describe select * from read_parquet({_text(_glob_escaped(file.path))}, hive_partitioning = false)"
        ).fetchall()
    types = {row[0].strip().lower(): row[1] for row in described}
    for column, checked in pages.kinds(file.path, file.name).items():
        if checked == "NULL":
            types[column] = casts.NOTHING
        elif column in wanted and checked != casts.number(types.get(column, "")):
            raise NightbookError(
                f"{file.name} is damaged: its footer gives two different types for column {column}: ask for a new copy"
            )
    return types


def first_row(connection: duckdb.DuckDBPyConnection, source: Source, condition: str) -> int | None:
    """Number of the first data row that meets a condition, counted from 1 over all files. None if no row does."""
    query = f"select min(_row) from (select *, row_number() over () as _row from {source.sql}) where {condition}"
    with _readable(source.name, source.files):
        [(row,)] = connection.execute(query).fetchall()
    return row


def quoted(column: str) -> str:
    """A column's spelling as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _glob_escaped(file: Path) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(file))


@contextmanager
def _readable(name: str, files: tuple[intake.Taken, ...] = ()) -> Iterator[None]:
    """Turn a DuckDB error about a file into one line that names the lender's file instead of the copy."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        for file in files:
            text = text.replace(str(file.path), file.name)
        first, *others = text.split(": ", 1)[-1].splitlines() or [type(error).__name__]
        line = re.search(r"CSV Error on Line: (\d+)", first)
        if not line:
            raise NightbookError(f"{name} cannot be read: {shown.line(first.rstrip('. '))}") from error
        reason = next((other for other in others if other and not other.startswith("Original Line")), first)
        raise NightbookError(f"{name} row {int(line[1]) - 1}: {shown.line(reason.rstrip('. '))}") from error


def _find(directory: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each table."""
    if not directory.is_dir():
        raise NightbookError(f"{directory} is not a folder: give the folder that contains your landing files")
    entries = sorted(
        entry for entry in directory.iterdir() if not entry.name.startswith(".") and entry.name != intake.SUMS
    )
    if not entries:
        raise NightbookError(f"{directory} is empty: put accounts and loan_servicing there, as .csv or .parquet")
    found: dict[str, tuple[Path, ...]] = {}
    origin: dict[str, str] = {}
    for entry in entries:
        intake.check_name(entry.name)
        is_folder = intake.kind(entry, entry.name) == "folder"
        table = entry.name if is_folder else entry.stem
        known = table in TABLES and (is_folder or entry.suffix.lower() in (".csv", ".parquet"))
        if not known:
            raise NightbookError(
                f"{entry.name} is not a landing table: name files <table>.csv or <table>.parquet, "
                f"where table is one of {', '.join(TABLES)}"
            )
        if table in found:
            raise NightbookError(f"{origin[table]} and {entry.name} contain the same table: keep one of them")
        files = _parts(entry) if is_folder else (entry,)
        if not files:
            raise NightbookError(f"{entry.name}/ contains no .parquet file")
        found[table], origin[table] = files, entry.name
    for table in REQUIRED:
        if table not in found:
            raise NightbookError(f"{directory} has no {table}.csv or {table}.parquet: this table is required")
    return {table: found[table] for table in TABLES if table in found}


def _parts(folder: Path) -> tuple[Path, ...]:
    """The Parquet files of a table's folder. Only what Spark leaves (`_SUCCESS`, `.crc`) may be there too."""
    parts = []
    for entry in sorted(folder.iterdir()):
        is_part = entry.suffix.lower() == ".parquet"
        if entry.name.startswith(".") or (entry.name.startswith("_") and not is_part):
            continue
        intake.check_name(entry.name, f"{folder.name}/: ")
        name = f"{folder.name}/{entry.name}"
        if intake.kind(entry, name) == "folder" or not is_part:
            raise NightbookError(
                f"{name} is not a .parquet file: the folder of a table may contain only its Parquet files"
            )
        parts.append(entry)
    return tuple(parts)


def _take(directory: Path, found: dict[str, tuple[Path, ...]], copies: Path) -> dict[str, tuple[intake.Taken, ...]]:
    """Copies of the files of each table, compared with a SHA256SUMS if there is one."""
    listed = intake.sums(directory, copies)
    taken = []
    for table, files in found.items():
        for number, file in enumerate(files):
            name = file.relative_to(directory).as_posix()
            taken.append(intake.copy(file, name, copies / f"{table}-{number}{file.suffix.lower()}"))
    checked = iter(intake.check_sums(taken, listed))
    return {table: tuple(next(checked) for _ in files) for table, files in found.items()}


def _check_format(file: intake.Taken) -> None:
    with file.path.open("rb") as stream:
        head = stream.read(65_536)
    if not head:
        raise NightbookError(f"{file.name} is empty (0 bytes)")
    is_csv = file.name.lower().endswith(".csv")
    is_parquet = head.startswith(PARQUET_MAGIC)
    if head.startswith(ENCRYPTED_MAGIC):
        raise NightbookError(f"{file.name} is encrypted: decrypt it first")
    if not is_csv and not is_parquet:
        raise NightbookError(f"{file.name} is not a Parquet file")
    if is_csv and (is_parquet or b"\0" in head):
        raise NightbookError(f"{file.name} is not a CSV file: it contains {'Parquet' if is_parquet else 'binary'} data")


def _header(file: Path, name: str) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return next(csv.reader(stream))
    except UnicodeDecodeError as error:
        raise NightbookError(f"{name} is not UTF-8 text: save it as UTF-8") from error
    except (StopIteration, csv.Error) as error:
        raise NightbookError(f"{name} has no header line") from error


def _check(connection: duckdb.DuckDBPyConnection, name: str, source: Source, now: datetime) -> _Found:
    table = TABLES[name]
    for column in table.columns:
        if column not in source.columns and column not in LOAD_COLUMNS:
            raise NightbookError(f"{source.name}: column {column} is missing")
    faults = list(_faults(table, source, now))
    rounded = list(_rounded(table, source))
    flags = ", ".join(
        [f"bool_or({condition})" for condition, _, _ in faults] + [f"count_if({condition})" for _, condition in rounded]
    )
    # DuckDB checks the encoding only of columns that a query reads, so all are read.
    read = ", ".join(f"count({quoted(source.columns[column])})" for column in table.columns if column in source.columns)
    with _readable(source.name, source.files):
        # Fetch every result completely. A half-read result would block the connection for sql().
        ((count, *bad),) = connection.execute(f"select count(*), {flags}, {read} from {source.sql}").fetchall()
    if name in REQUIRED and not count:
        raise NightbookError(f"{source.name} has no rows")
    for (condition, column, complaint), failed in zip(faults, bad, strict=False):
        if failed:
            row = first_row(connection, source, condition)
            assert row is not None
            found = _value(connection, source, column, row)
            raise NightbookError(f"{source.name} row {row}: {column} {complaint.format(value=found)}")
    notes = tuple(
        f"{source.name}: {column}: values with more decimals than {sql_type(table.columns[column])} were rounded:"
        f" {values:,}"
        for (column, _), values in zip(rounded, bad[len(faults) :], strict=False)
        if values
    )
    return _Found(count, _check_grain(connection, table, source, count), notes)


def _rounded(table: Table, source: Source) -> Iterator[tuple[str, str]]:
    """Columns whose values may have more places than the contract allows: column, SQL condition."""
    for column, type_ in table.columns.items():
        if column in source.columns:
            condition = casts.rounds(quoted(source.columns[column]), type_, source.types[column])
            if condition:
                yield column, condition


def _faults(table: Table, source: Source, now: datetime) -> Iterator[tuple[str, str, str]]:
    """Possible errors of a single row: SQL condition, column, message. Types come first."""
    present = {column: quoted(source.columns[column]) for column in table.columns if column in source.columns}
    value = {
        column: casts.parsed(name, table.columns[column], source.types[column]) for column, name in present.items()
    }
    for column, name in present.items():
        type_ = table.columns[column]
        if (condition := casts.misread(name, type_, source.types[column])) != "false":
            yield condition, column, f"is {{value}}, which is not {_A_TYPE[type_]}"
    for column in table.grain:
        yield f"{present[column]} is null", column, "is null, but it is part of the key"
        if table.columns[column] == TEXT and source.types[column] == casts.VARCHAR:
            hidden = f"regexp_matches({present[column]}, '[\\p{{Cc}}\\p{{Cf}}\\p{{Zl}}\\p{{Zp}}]')"
            yield hidden, column, "is {value}, which has an invisible character"
    for column in LOAD_COLUMNS:
        if column in present:
            yield f"{present[column]} is null", column, "is null: fill it in or leave the column out"
    for column, allowed in table.allowed.items():
        listed = ", ".join(map(_text, allowed))
        yield f"{present[column]} not in ({listed})", column, f"is {{value}}, which is not one of {', '.join(allowed)}"
    for column in table.dates:
        yield f"{value[column]} > date '{now.date()}'", column, f"is {{value}}, after today ({now.date()})"
    if "_loaded_at" in present:
        yield f"{value['_loaded_at']} > timestamp '{now}'", "_loaded_at", f"is {{value}}, after now ({now} UTC)"
    for column in table.non_negative:
        yield f"{value[column]} < 0", column, "is {value}, which is below zero"


_A_TYPE = {
    type_: {
        "DATE": "a date (YYYY-MM-DD)",
        "INTEGER": "a whole number",
        "BOOLEAN": "true or false",
        "VARCHAR": "text",
    }.get(
        sql_type(type_),
        "a UTC timestamp (YYYY-MM-DD HH:MM:SS)" if type_ == MOMENT else f"a number that fits {sql_type(type_)}",
    )
    for table in TABLES.values()
    for type_ in table.columns.values()
}


def _value(connection: duckdb.DuckDBPyConnection, source: Source, column: str, row: int) -> str:
    name = quoted(source.columns[column])
    [(value,)] = connection.execute(f"select {name} from {source.sql} limit 1 offset {row - 1}").fetchall()
    return repr(value[:40]) if isinstance(value, str) else shown.line(str(value))


def _check_grain(connection: duckdb.DuckDBPyConnection, table: Table, source: Source, rows: int) -> int:
    """Check that grain and `_loaded_at` together are unique within the load. Returns the number of distinct keys."""
    key = [column for column in (*table.grain, "_loaded_at") if column in source.columns]
    values = {
        column: casts.parsed(quoted(source.columns[column]), table.columns[column], source.types[column])
        for column in key
    }
    grain = ", ".join(f"{values[column]} as {column}" for column in table.grain)
    with _readable(source.name, source.files):
        # Few keys have more than one version, so only those versions are compared.
        connection.execute(
            f"create or replace temp table repeated as select {grain}, count(*) as times from {source.sql}"
            " group by all having times > 1"
        )
        ((repeated, versions),) = connection.execute(
            "select count(*), coalesce(sum(times), 0) from repeated"
        ).fetchall()
        selected = ", ".join(f"{value} as {column}" for column, value in values.items())
        found = (
            connection.execute(
                f"select {', '.join(key)} from (select {selected} from {source.sql})"
                f" semi join repeated using ({', '.join(table.grain)}) group by all having count(*) > 1 limit 1"
            ).fetchall()
            if repeated
            else []
        )
    if found:
        named = ", ".join(f"{column} {value}" for column, value in zip(key, found[0], strict=True))
        same = " and ".join(f"{values[c]} = {_text(v)}" for c, v in zip(key, found[0], strict=True))
        first = first_row(connection, source, same)
        again = first_row(connection, source, f"{same} and _row > {first}")
        raise NightbookError(f"{source.name} row {again}: {named} is already in row {first}")
    return rows - int(versions) + repeated


def _load_id(sources: dict[str, Source]) -> str:
    digest = hashlib.sha256()
    for table, source in sources.items():
        for file in source.files:
            digest.update(f"{table} {file.path.suffix} {file.sha256}\n".encode())
    return f"files-{digest.hexdigest()[:12]}"


def _notes(sources: dict[str, Source], counted: dict[str, _Found]) -> Iterator[str]:
    for table, source in sources.items():
        extra = [column for column in source.columns if column not in TABLES[table].columns]
        if extra:
            named = ", ".join(map(shown.line, extra))
            yield f"{source.name}: ignored columns that are not in the contract: {named}"
        yield from counted[table].notes
    unproven = [
        f"{source.name} (rows {counted[table].rows:,}, keys {counted[table].keys:,})"
        for table, source in sources.items()
        if not source.is_verified
    ]
    if unproven:
        yield (
            f"no checksums: the bytes of {', '.join(unproven)} could not be verified: put a {intake.SUMS} beside the"
            " files, as sha256sum writes it"
        )


def _copy(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    table: Table,
    name: str,
    source: Source,
    load_id: str,
    now: datetime,
) -> int:
    """Write a source as a file of the load. Returns the number of rows."""
    filled_in = {"_loaded_at": f"timestamp '{now}'", "_load_id": _text(load_id)}
    columns = ", ".join(
        f"{casts.parsed(quoted(source.columns[c]), type_, source.types[c]) if c in source.columns else filled_in[c]}"
        f" as {c}"
        for c, type_ in table.columns.items()
    )
    with _readable(source.name, source.files):
        rows = connection.sql(f"select {columns} from {source.sql}").to_arrow_reader(store.ROW_GROUP)
        return store.write(folder, name, rows)
