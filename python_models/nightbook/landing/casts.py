"""Which values of a source column each contract type accepts, and how they are cast, as DuckDB's SQL.

DuckDB's own casts accept too much: 3.7 as a count becomes 4, `epoch` becomes a date, and a list becomes text. A time in
another zone becomes a day. So this module says what is accepted, per contract type and kind of source:

| contract | accepted |
|---|---|
| text | text; whole numbers, as their digits |
| money, rates, years | whole numbers, decimals, finite floats that hold the last place, text such as -0.5 or 1.23E+04 |
| count | the same if it is whole: 24, 24.0 |
| date | dates, timestamps without a zone at midnight, text YYYY-MM-DD |
| flag | booleans; 0 and 1; text true, false, t, f, yes, no, y, n, 1, 0 in any case |
| moment | timestamps, dates, text; with a zone it is converted to UTC, without one it is UTC |

A number with more places than its column is rounded half away from zero, from its shortest decimal form. The float
0.1+0.2 becomes 0.30, and 2.675 becomes 2.68.
"""

import pyarrow as pa

from nightbook.landing.contract import COUNT, DATE, FLAG, MOMENT, TEXT, sql_type

VARCHAR = "VARCHAR"
# A column that holds only nulls. DuckDB would report it as integers.
NOTHING = '"NULL"'
_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")} | {
    "INTEGER", "UINTEGER",
}  # fmt: skip
_MANTISSA = {"FLOAT": 24, "DOUBLE": 53}
_MOMENTS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = "TIMESTAMP WITH TIME ZONE"

_NUMBER = r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*"
_BEGINS_WITH_DAY = r"\s*\d{4}-\d{2}-\d{2}.*"
_DAY = r"\d{4}-\d{2}-\d{2}([ T]00:00(:00(\.0+)?)?)?"


def kind(source: str) -> str:
    """Reduce a DuckDB type to what matters here: INTEGER, DECIMAL, or the type itself."""
    if source in _INTEGERS:
        return "INTEGER"
    return "DECIMAL" if source.startswith("DECIMAL") else source


def number(source: str) -> str | None:
    """A number's type in the form of `pages.kinds`: INTEGER, FLOAT, DECIMAL(p,s). None if it is no number."""
    of = kind(source)
    if of == "DECIMAL":
        return source.replace(" ", "")
    return {"INTEGER": "INTEGER", "FLOAT": "FLOAT", "DOUBLE": "FLOAT"}.get(of)


def common(one: str, other: str) -> str | None:
    """The type in which two parts of a table can both be read without changing a number. None if there is none."""
    if one == other or other == NOTHING:
        return one
    if one == NOTHING:
        return other
    kinds = {kind(one), kind(other)}
    if kinds == {"INTEGER"}:
        return "HUGEINT"
    # Numbers that a double cannot hold exactly are too large for money in a double anyway, see `misread`.
    if kinds == {"INTEGER", "DOUBLE"} or kinds == {"DECIMAL", "DOUBLE"}:
        return "DOUBLE"
    if kinds <= {"INTEGER", "DECIMAL"}:
        return f"DECIMAL(38,{max(_scale(one), _scale(other))})"
    return VARCHAR if kinds == {"INTEGER", VARCHAR} else None


def _scale(source: str) -> int:
    return int(source.rstrip(")").partition(",")[2] or 0)


def parsed(column: str, type_: pa.DataType, source: str = VARCHAR) -> str:
    """SQL that casts a column to its contract type, null if the cast fails. `misread` decides what is accepted."""
    # Cast through a time zone, so that +02:00 is respected.
    if type_ == MOMENT:
        return f"try_cast(try_cast({column} as timestamptz) as timestamp)"
    # DuckDB casts floats by multiplying, and is a cent off from 2**46 / 100 on.
    if source in _MANTISSA and type_ != TEXT:
        return f"try_cast(cast({column} as varchar) as {sql_type(type_)})"
    return f"try_cast({column} as {sql_type(type_)})"


def misread(column: str, type_: pa.DataType, source: str = VARCHAR) -> str:
    """SQL condition: the column has a value that its contract type does not accept."""
    untaken = _untaken(column, type_, source)
    wrong = [f"{parsed(column, type_, source)} is null"] if type_ != TEXT else []
    if type_ in (DATE, MOMENT):
        wrong.append(f"not isfinite({parsed(column, type_, source)})")
    return f"({column} is not null and ({' or '.join(wrong + untaken)}))" if wrong + untaken else "false"


def rounds(column: str, type_: pa.DataType, source: str = VARCHAR) -> str | None:
    """SQL condition: rounding changes the value by more than binary fractions explain. None if that cannot happen."""
    if not pa.types.is_decimal(type_) or kind(source) == "INTEGER":
        return None
    if kind(source) == "DECIMAL":
        return f"{column} <> {parsed(column, type_, source)}" if _scale(source) > type_.scale else None
    difference = f"abs(try_cast(cast({column} as varchar) as decimal(38, 12)) - {parsed(column, type_, source)})"
    # Sums of floats are off by a few units of their own last place.
    if source in _MANTISSA:
        return f"{difference} > 0.000000001 + abs({column}) * {2.0 ** (4 - _MANTISSA[source])!r}"
    return f"{difference} > 0.000000001" if source == VARCHAR else None


def _untaken(column: str, type_: pa.DataType, source: str) -> list[str]:
    """Conditions for values that are not null."""
    if source == NOTHING:
        return []
    of, nothing = kind(source), ["true"]
    if type_ == TEXT:
        return [] if of in (VARCHAR, "INTEGER") else nothing
    if type_ == DATE:
        if of in _MOMENTS:
            return [f"{column} <> date_trunc('day', {column})"]
        return {"DATE": [], VARCHAR: [_unlike(column, _DAY)]}.get(of, nothing)
    if type_ == MOMENT:
        if of == VARCHAR:
            return [_unlike(column, _BEGINS_WITH_DAY)]
        return [] if of in {"DATE", _ZONED, *_MOMENTS} else nothing
    if type_ == FLAG:
        return {"BOOLEAN": [], VARCHAR: [], "INTEGER": [f"{column} not in (0, 1)"]}.get(of, nothing)
    if of == VARCHAR:
        written = [_unlike(column, _NUMBER)]
        # As a double, 24.0000000000000000001 would be 24.
        return written + ([_not_whole(column)] if type_ == COUNT else [])
    if of in ("INTEGER", "DECIMAL"):
        return [f"{column} <> {parsed(column, type_, source)}"] if type_ == COUNT and of == "DECIMAL" else []
    if of in _MANTISSA:
        if type_ == COUNT:
            return [f"not isfinite({column})", f"{column} <> trunc({column})"]
        return [f"not isfinite({column})", f"abs({column}) >= {_holds_last_place(of, type_.scale)}"]
    return nothing


def _unlike(column: str, pattern: str) -> str:
    return f"not regexp_full_match({column}, '{pattern}')"


def _not_whole(column: str) -> str:
    exact = f"try_cast({column} as decimal(38, 20)) is distinct from {parsed(column, COUNT)}"
    return f"(not regexp_full_match({column}, '[^.eE]*(\\.0*)?\\s*') and {exact})"


def _holds_last_place(of: str, scale: int) -> str:
    """The size from which neighbouring floats are further apart than one unit of the last place."""
    unit = 0
    while 2.0**-unit > 10.0**-scale:
        unit += 1
    return repr(2.0 ** (_MANTISSA[of] - unit))
