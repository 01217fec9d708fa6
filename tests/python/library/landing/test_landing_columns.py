from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nightbook.landing.columns import dates, decimals, ids, nights_after, pick, strings
from nightbook.landing.contract import MONEY, RATE


@given(st.lists(st.integers(-(2**62), 2**62), max_size=20), st.randoms())
def test_decimals_are_exact(units, random):
    null = np.array([random.random() < 0.3 for _ in units], dtype=bool)
    array = decimals(np.array(units, dtype=np.int64), pa.decimal128(38, 2), null)
    array.validate(full=True)
    assert array.to_pylist() == [
        None if gone else Decimal(unit).scaleb(-2) for unit, gone in zip(units, null, strict=True)
    ]


@pytest.mark.parametrize(("type_", "text"), [(MONEY, "-12.34"), (RATE, "-0.001234")])
def test_decimals_count_units_of_the_last_place(type_, text):
    assert decimals(np.array([-1234]), type_).to_pylist() == [Decimal(text)]


@given(st.lists(st.integers(0, 99_999_999), max_size=20))
def test_ids_are_padded_numbers(numbers):
    array = strings(ids("c", np.array(numbers), suffix="@x"))
    array.validate(full=True)
    assert array.to_pylist() == [f"c{number:08d}@x" for number in numbers]


def test_a_negative_index_is_null():
    assert pick(("a", "b"), np.array([1, -1, 0])).to_pylist() == ["b", None, "a"]


def test_the_night_after_a_day_is_two_o_clock_the_next_day():
    days = np.array([0, 20_634])
    assert [str(day) for day in dates(days).to_pylist()] == ["1970-01-01", "2026-06-30"]
    assert [str(moment) for moment in nights_after(days).to_pylist()] == ["1970-01-02 02:00:00", "2026-07-01 02:00:00"]
