"""Check that a Parquet file's bytes are those of its writer, as far as the file itself shows it.

DuckDB does not check page checksums, and does not compare values with the footer's statistics. A flipped bit could then
be another customer's id. If every page has a checksum (CRC-32, of the page as stored), the pages are proven. Otherwise
a flip shows only if the page no longer decodes, or if values contradict the footer's range or null count. The rest
needs a digest beside the file.

The footer has no checksum. It states twice which kind of value a column holds, in an older and a newer form. A kind
that is stated only once proves nothing: a flip turns microseconds into milliseconds, or a sum into cents.

Page headers and footers use Thrift's compact protocol, which pyarrow reads but does not expose.
"""

import mmap
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightbook.errors import NightbookError

BATCH_ROWS = 131_072
# Writers cut a column's smallest and largest text at 64 bytes, some at 16.
LONG_TEXT = 16
DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = range(4)
# Field numbers of a page's header, and of the part of it that depends on its kind.
_KIND, _SIZE, _CRC = 1, 3, 4
_OF_KIND = {DATA_PAGE: 5, DATA_PAGE_V2: 8}
_DEEPEST = 8
# Field numbers of the footer, and of an element of its schema.
_SCHEMA, _ELEMENT_FIELDS = 2, set(range(1, 11))
_CHILDREN, _CONVERTED, _SCALE, _PRECISION, _LOGICAL = 5, 6, 7, 8, 10
# Kinds of the newer form, as field numbers of its union, and their names in the older form. Some have none there.
_TEXT, _MAP, _LIST, _ENUM, _DECIMAL, _DATE, _TIME, _MOMENT, _INTEGER = 1, 2, 3, 4, 5, 6, 7, 8, 10
_OLDER = {_TEXT: 0, _MAP: 1, _LIST: 3, _ENUM: 4, _DECIMAL: 5, _DATE: 6, 12: 19, 13: 20}
_UNITS = {_TIME: {1: 7, 2: 8}, _MOMENT: {1: 9, 2: 10}}
_INTEGERS = {(8, False): 11, (16, False): 12, (32, False): 13, (64, False): 14,
             (8, True): 15, (16, True): 16, (32, True): 17, (64, True): 18}  # fmt: skip
# A flip in these changes the values but not the type, or removes the value.
_MEASURED = {_DECIMAL, _TIME, _MOMENT, _INTEGER}


def header(path: Path, name: str) -> list[str]:
    """The columns of a Parquet file, as spelled.

    Raises:
        NightbookError: the footer cannot be read, is encrypted, or has a column twice, ignoring case.
    """
    with _opened(path, name) as parquet:
        names = parquet.schema_arrow.names
    lower = [column.strip().lower() for column in names]
    for column in lower:
        if lower.count(column) > 1:
            raise NightbookError(f"{name}: column {column} appears twice in the header")
    return names


def kinds(path: Path, name: str) -> dict[str, str | None]:
    """Lowercase column name -> kind of number: INTEGER, FLOAT, DECIMAL(p,s), NULL for only nulls, None for no number.

    Raises:
        NightbookError: the footer cannot be read.
    """
    with _opened(path, name) as parquet:
        return {one.name.strip().lower(): _kind(one.type) for one in parquet.schema_arrow}


def _kind(type_: pa.DataType) -> str | None:
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if pa.types.is_integer(type_):
        return "INTEGER"
    if pa.types.is_floating(type_):
        return "FLOAT"
    return "NULL" if pa.types.is_null(type_) else None


def verify(path: Path, name: str, columns: Collection[str], is_proven: bool = False) -> bool:
    """Check every page of a file, and compare the decoded values with the footer.

    Args:
        path: the file.
        name: the user's name for it.
        columns: those that will be read, lowercase; of others only the pages are checked.
        is_proven: a digest from elsewhere has proven the bytes, so values are not decoded.

    Returns:
        Whether every page has a checksum and every column's kind is stated twice.

    Raises:
        NightbookError: a checksum does not match its page, or footer, pages and values contradict each other.
    """
    with _opened(path, name) as parquet:
        footer = parquet.metadata
        with _decoding(name):
            for number in range(footer.num_row_groups):
                # If a column's footer does not fit its schema, asking for it aborts the process. Reading it raises an
                # error.
                next(parquet.iter_batches(1, [number]), None)
        _check_footer(footer, name)
        is_said_twice = _check_kinds(path, name)
        checksummed = _check_pages(path, footer, name)
        if not is_proven:
            with _decoding(name):
                _check_values(parquet, name, columns)
    return checksummed and is_said_twice


class _decoding:  # noqa: N801
    """Turns errors of pyarrow into one line."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, UnicodeError)):
            reason = " ".join(str(error).split()) or type(error).__name__
            raise NightbookError(f"{self._name} cannot be read: {reason[:200].rstrip('. ')}") from error


def _opened(path: Path, name: str) -> pq.ParquetFile:
    with _decoding(name):
        return pq.ParquetFile(path, page_checksum_verification=True)


def _check_footer(footer: pq.FileMetaData, name: str) -> None:
    """Check that what the footer states twice is the same both times."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    with _decoding(name):
        if sum(group.num_rows for group in groups) != footer.num_rows:
            raise _damaged(name, f"its footer says {footer.num_rows:,} rows, but its row groups have another number")
        for number, group in enumerate(groups):
            if group.num_columns != footer.num_columns:
                raise _damaged(
                    name, f"row group {number} has {group.num_columns} columns, but its schema has another number"
                )
            for place in range(group.num_columns):
                chunk, column = group.column(place), footer.schema.column(place)
                if chunk.path_in_schema != column.path:
                    raise _damaged(name, f"column {column.path} is called {chunk.path_in_schema} in row group {number}")
                if chunk.physical_type != column.physical_type:
                    raise _damaged(name, f"column {column.path} has two types")
                if not column.max_repetition_level and chunk.num_values != group.num_rows:
                    raise _damaged(
                        name, f"column {column.path} has {chunk.num_values:,} values in {group.num_rows:,} rows"
                    )


def _check_kinds(path: Path, name: str) -> bool:
    """Check that the older and the newer form state the same kind. Returns whether both state every measured kind.

    Source: parquet.thrift, SchemaElement, ConvertedType and LogicalType, and LogicalTypes.md on how they agree.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            fields, _ = _struct(data, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
            elements = fields[_SCHEMA][1:]
            wrong = next((number for number, one in enumerate(elements) if not _is_one_kind(one)), None)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise _damaged(name, "its footer has no schema") from error
    if wrong is not None:
        raise _damaged(name, f"its footer gives column {wrong + 1} two kinds of values")
    return all(_CONVERTED in one and _LOGICAL in one for one in elements if _is_measured(one))


def _is_one_kind(element: dict) -> bool:
    older, logical = element.get(_CONVERTED), element.get(_LOGICAL, {})
    if not set(element) <= _ELEMENT_FIELDS or len(logical) > 1:
        return False
    is_decimal = older == _OLDER[_DECIMAL] or _DECIMAL in logical
    if not is_decimal and (_SCALE in element or _PRECISION in element):
        return False
    for kind, said in logical.items():
        if kind == _DECIMAL and older is not None:
            same = said.get(1, 0) == element.get(_SCALE, 0) and said[2] == element[_PRECISION]
        else:
            same = True
        newer = _OLDER.get(kind)
        if kind in _UNITS:
            newer = _UNITS[kind].get(next(iter(said[2])))
        elif kind == _INTEGER:
            newer = _INTEGERS[said[1], said[2]]
        if not same or (older is not None and older != newer and (kind, older) != (_MAP, 2)):
            return False
    return True


def _is_measured(element: dict) -> bool:
    """Whether a unit, a scale or a sign decides which value the bytes mean."""
    kinds = {_OLDER[_DECIMAL], *_INTEGERS.values(), *(one for units in _UNITS.values() for one in units.values())}
    return _CHILDREN not in element and (
        element.get(_CONVERTED) in kinds or bool(_MEASURED & set(element.get(_LOGICAL, ())))
    )


def _check_pages(path: Path, footer: pq.FileMetaData, name: str) -> bool:
    """Check that the pages of each column fill its range, hold its number of values, and match their checksums."""
    has_checksum, ends = [], 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # The footer ends with its own length and the magic bytes.
        until = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        for begin, end, column, chunk in sorted(_chunks(footer), key=lambda one: one[:2]):
            if begin < ends or end > until:
                raise _damaged(name, f"the pages of column {column} overlap those of others")
            ends = end
            values = 0
            for page, body in _pages(data, begin, end, name, column):
                has_checksum.append(_CRC in page)
                if _CRC in page and zlib.crc32(body) != page[_CRC] % 2**32:
                    raise _damaged(name, f"a page of column {column} does not match its checksum")
                if page[_KIND] in _OF_KIND:
                    values += page[_OF_KIND[page[_KIND]]][1]
            if values != chunk.num_values:
                raise _damaged(
                    name, f"column {column} should have {chunk.num_values:,} values, but its pages have {values:,}"
                )
    return all(has_checksum)


def _chunks(footer: pq.FileMetaData) -> Iterator[tuple[int, int, str, pq.ColumnChunkMetaData]]:
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for place in range(group.num_columns):
            chunk = group.column(place)
            begin = chunk.data_page_offset
            # Some writers state 0 if there is no dictionary.
            if chunk.has_dictionary_page and chunk.dictionary_page_offset > 0:
                begin = chunk.dictionary_page_offset if begin <= 0 else min(begin, chunk.dictionary_page_offset)
            if chunk.num_values or chunk.total_compressed_size:
                yield begin, begin + chunk.total_compressed_size, chunk.path_in_schema, chunk


def _pages(data: mmap.mmap, at: int, end: int, name: str, column: str) -> Iterator[tuple[dict, bytes]]:
    """Header and bytes of each page of a column chunk."""
    while at < end:
        try:
            page, body = _struct(data, at)
            kind, size = page[_KIND], page[_SIZE]
            if kind in _OF_KIND and not isinstance(page[_OF_KIND[kind]][1], int):
                raise ValueError
        except (LookupError, ValueError, TypeError) as error:
            raise _damaged(name, f"a page of column {column} has no header") from error
        if size < 0 or body + size > end:
            raise _damaged(name, f"a page of column {column} is longer than its space")
        at = body + size
        yield page, data[body:at]


def _check_values(parquet: pq.ParquetFile, name: str, columns: Collection[str]) -> None:
    """Decode the columns and compare the number of rows and nulls, and the smallest and largest values."""
    footer = parquet.metadata
    leaves = {footer.schema.column(place).path: place for place in range(footer.num_columns)}
    wanted = [one for one in parquet.schema_arrow if one.name.strip().lower() in columns and one.name in leaves]
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        rows, found = 0, {one.name: _Range() for one in wanted}
        batches = parquet.iter_batches(BATCH_ROWS, [number], [one.name for one in wanted])
        for batch in batches if wanted else ():
            rows += batch.num_rows
            for one, values in zip(batch.schema, batch.columns, strict=True):
                found[one.name].add(values)
        if wanted and rows != group.num_rows:
            raise _damaged(name, f"row group {number} should have {group.num_rows:,} rows, but {rows:,} can be read")
        for column, seen in found.items():
            statistics = group.column(leaves[column]).statistics
            if statistics is not None and (wrong := seen.contradicts(statistics)):
                raise _damaged(name, f"column {column} {wrong} than the footer says of row group {number}")


class _Range:
    """Nulls, smallest and largest of values that come in batches."""

    def __init__(self) -> None:
        self.nulls, self.least, self.greatest = 0, None, None

    def add(self, values: pa.Array) -> None:
        self.nulls += values.null_count
        if isinstance(values, pa.DictionaryArray):
            values = values.dictionary_decode()
        if pa.types.is_nested(values.type) or pa.types.is_null(values.type):
            return
        try:
            both = pc.min_max(values).as_py()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return
        if both["min"] is not None:
            self.least = both["min"] if self.least is None else min(self.least, both["min"])
            self.greatest = both["max"] if self.greatest is None else max(self.greatest, both["max"])

    def contradicts(self, statistics: pq.Statistics) -> str | None:
        """How the footer's statistics contradict the values, in words. None if they do not."""
        if statistics.has_null_count and statistics.null_count != self.nulls:
            return "has another number of nulls"
        try:
            low, high = (statistics.min, statistics.max) if statistics.has_min_max else (None, None)
            # NaN cannot be compared, and a cut text may be invalid. Neither proves anything.
            if self.least is None or low is None or type(low) is not type(self.least):
                return None
            if self.least < low or self.greatest > high:
                return "holds other values"
            if (_is_exact(low) and self.least > low) or (_is_exact(high) and self.greatest < high):
                return "holds other values"
        except (UnicodeError, TypeError, OverflowError, ValueError, pa.ArrowException):
            return None
        return None


def _is_exact(bound: object) -> bool:
    """False for a text that its writer may have cut, so that no value is equal to it."""
    return not isinstance(bound, (str, bytes)) or len(bound) < LONG_TEXT


def _damaged(name: str, what: str) -> NightbookError:
    return NightbookError(f"{name} is damaged: {what}: ask for a new copy")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without an end")


def _zigzag(data: mmap.mmap, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _struct(data: mmap.mmap, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """A Thrift struct as field number -> value. Texts are None, and so are lists of anything but structs."""
    if depth > _DEEPEST:
        raise ValueError("too deep")
    fields: dict[int, Any] = {}
    number = 0
    while lead := data[at]:
        at += 1
        if lead >> 4:
            number += lead >> 4
        else:
            number, at = _zigzag(data, at)
        kind = lead & 0x0F
        # In a struct, a boolean's value is its type.
        fields[number], at = (kind == 1, at) if kind in (1, 2) else _value(data, at, kind, depth)
    return fields, at + 1


def _value(data: mmap.mmap, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2, 3):
        return data[at], at + 1
    if kind in (4, 5, 6):
        return _zigzag(data, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(data, at)
        return None, at + length
    if kind in (9, 10):
        lead = data[at]
        length, at = (lead >> 4, at + 1) if lead >> 4 < 15 else _varint(data, at + 1)
        if length > len(data):
            raise ValueError("a list longer than the file")
        found = []
        for _ in range(length):
            one, at = _value(data, at, lead & 0x0F, depth + 1)
            found.append(one)
        return found if lead & 0x0F == 12 else None, at
    if kind == 12:
        return _struct(data, at, depth + 1)
    raise ValueError(f"no type {kind}")
