"""Arrow columns from NumPy arrays, without a Python object per row."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from nightbook.landing.contract import MONEY

DAY_US = 86_400_000_000
TWO_O_CLOCK_US = 7_200_000_000


def ids(prefix: str, numbers: np.ndarray, digits: int = 8, suffix: str = "") -> np.ndarray:
    """Fixed-width identifiers as bytes: prefix, zero-padded number, suffix.

    Args:
        prefix: ASCII text before the number.
        numbers: non-negative integers of at most `digits` digits; shape (n,).
        digits: width of the number.
        suffix: ASCII text after the number.

    Returns:
        uint8 array of shape (n, width).
    """
    numbers = np.asarray(numbers, dtype=np.int64)
    out = np.empty((len(numbers), len(prefix) + digits + len(suffix)), dtype=np.uint8)
    out[:, : len(prefix)] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    for place in range(digits):
        out[:, len(prefix) + digits - 1 - place] = numbers // 10**place % 10 + ord("0")
    out[:, len(prefix) + digits :] = np.frombuffer(suffix.encode(), dtype=np.uint8)
    return out


def strings(characters: np.ndarray) -> pa.Array:
    """Fixed-width ASCII rows, shape (n, width), as a string array."""
    count, width = characters.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters))]
    )


def pick(values: pa.Array | Sequence[str], index: np.ndarray) -> pa.Array:
    """Values by index as a dictionary-encoded array. A negative index is null."""
    index = np.asarray(index, dtype=np.int32)
    values = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    indices = pa.array(index, mask=index < 0) if (index < 0).any() else pa.array(index)
    return pa.DictionaryArray.from_arrays(indices, values)


def constant(value: str, count: int) -> pa.Array:
    """One text, `count` times."""
    return pick([value], np.zeros(count, dtype=np.int32))


def decimals(units: np.ndarray, type_: pa.DataType = MONEY, null: np.ndarray | None = None) -> pa.Array:
    """Exact decimals from integers in units of the last place (cents for money), null where the mask is true."""
    units = np.asarray(units, dtype=np.int64)
    words = np.empty((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63
    valid = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(type_, len(units), [valid, pa.py_buffer(words)])


def integers(values: np.ndarray, null: np.ndarray | None = None) -> pa.Array:
    """int32, null where the mask is true."""
    return pa.array(np.asarray(values, dtype=np.int32), mask=null)


def dates(days: np.ndarray, null: np.ndarray | None = None) -> pa.Array:
    """Days since 1970-01-01 as dates, null where the mask is true."""
    return integers(days, null).cast(pa.date32())


def nights_after(days: np.ndarray) -> pa.Array:
    """2 a.m. UTC on the day after each day."""
    return pa.array((np.asarray(days, dtype=np.int64) + 1) * DAY_US + TWO_O_CLOCK_US).cast(pa.timestamp("us"))
