"""The comparison of two engines finds every difference and says where it is."""

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.rehearsal.parity import RELATIONS, difference

NIGHT = datetime.date(2026, 5, 31)
OURS = {
    "account_id": pa.array(["A1", "A2", "A3"]),
    "as_of_date": pa.array([NIGHT] * 3),
    "utilization_current": pa.array([0.25, None, 1 / 3]),
    "dpd_current": pa.array([0, 31, None], pa.int32()),
    "ead": pa.array([Decimal("1.50"), Decimal("0.00"), None], pa.decimal128(18, 2)),
    "risk_grade": pa.array(["A", "B", None]),
    "is_open": pa.array([True, False, None]),
    "run_id": pa.array(["ours"] * 3),
}
KEY = ["account_id", "as_of_date"]


def theirs(**changed) -> pa.Table:
    """The same rows as Snowflake's client returns them, in another order and with other widths, plus changes."""
    columns = OURS | {"dpd_current": OURS["dpd_current"].cast(pa.int8()), "run_id": pa.array(["theirs"] * 3)}
    columns |= {"ead": OURS["ead"].cast(pa.decimal128(38, 2))}
    return pa.table(columns | changed).take([2, 0, 1])


def test_two_sides_that_hold_the_same_do_not_differ():
    assert difference("r", KEY, pa.table(OURS), theirs()) is None


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"utilization_current": pa.array([0.25, None, 0.1 + 0.2 + 1 / 30])}, ("A3", "utilization_current")),
        ({"utilization_current": pa.array([0.25, 0.0, 1 / 3])}, ("A2", "utilization_current")),
        ({"dpd_current": pa.array([0, 30, None])}, ("A2", "dpd_current")),
        ({"dpd_current": pa.array([None, 31, None], pa.int64())}, ("A1", "dpd_current")),
        ({"ead": pa.array([Decimal("1.51"), Decimal(0), None], pa.decimal128(18, 2))}, ("A1", "ead")),
        ({"risk_grade": pa.array(["A", "B", "C"])}, ("A3", "risk_grade")),
        ({"risk_grade": pa.array(["A", "C", None]), "ead": pa.array([Decimal(1)] * 3)}, ("A1", "ead")),
        ({"is_open": pa.array([True, True, None])}, ("A2", "is_open")),
        ({"account_id": pa.array(["A1", "A2", "A4"])}, ("A3", "row")),
        ({"as_of_date": pa.array([NIGHT, NIGHT, datetime.date(2026, 6, 30)])}, ("A3", "row")),
    ],
)
def test_the_first_difference_is_named(changed, where):
    found = difference("r", KEY, pa.table(OURS), theirs(**changed))
    assert (found.key[0], found.column) == where
    assert str(found).startswith(f"r ({where[0]}, 20")


def test_a_missing_column_is_a_difference():
    assert difference("r", KEY, pa.table(OURS), theirs().drop_columns("ead")).column == "ead"
    assert difference("r", KEY, pa.table(OURS).drop_columns("ead"), theirs()).duckdb == "nothing"


def test_doubles_may_be_let_differ_by_little():
    nearly = {"utilization_current": pa.array([0.25 + 1e-10, None, 1 / 3])}
    assert difference("r", KEY, pa.table(OURS), theirs(**nearly)) is not None
    assert difference("r", KEY, pa.table(OURS), theirs(**nearly), tolerance=1e-9) is None


def test_a_key_that_names_two_rows_is_refused():
    with pytest.raises(ValueError, match="does not name one row on DuckDB"):
        difference("r", ["as_of_date"], pa.table(OURS), theirs())


def test_what_must_be_the_same_is_compared():
    marts = {"marts.fct_account_scores", "marts.fct_application_scores", "marts.fct_provisions"}
    assert marts | {"scoring.accounts_tonight", "scoring.applications_tonight"} < set(RELATIONS["nightly"])
    assert {"training.training_set_account_pd", "training.training_set_application_pd"} < set(RELATIONS["weekly"])
