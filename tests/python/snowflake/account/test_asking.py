"""Snowflake gives the library the same values, of the same types, as DuckDB's file."""

import re
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from nightbook.engine import snowflake_connection as accounts
from nightbook.engine import warehouse
from nightbook.errors import NightbookError

_COLUMNS = {
    "a_text": "varchar", "money": "decimal(18, 2)", "rate": "decimal(9, 6)", "small": "integer", "large": "bigint",
    "measure": "double", "day": "date", "moment": "timestamp", "flag": "boolean",
}  # fmt: skip
_ROWS = [
    (
        "it's",
        Decimal("-12345678901234.56"),
        Decimal("0.168100"),
        -7,
        2**53 + 1,
        0.1,
        date(2024, 2, 29),
        datetime(2026, 1, 1, 2, 3, 4, 567891),
        True,
    ),
    (None,) * 9,
    ("", Decimal("0.00"), Decimal("-1.000001"), 0, -1, -1e300, date(1969, 12, 31), datetime(1969, 12, 31, 23), False),
]  # fmt: skip


@pytest.fixture
def asked(account):
    """Rows of a query on Snowflake, and of the same query on DuckDB, over the same table."""
    ddl = ", ".join(f"{name} {type_}" for name, type_ in _COLUMNS.items())
    marks = ", ".join("?" * len(_COLUMNS))
    with accounts.connected() as connection, duckdb.connect() as memory:
        for one in (connection.rows, memory.execute):
            one("create schema s")
            one(f"create table s.t ({ddl})")
            for row in _ROWS:
                one(f"insert into s.t values ({marks})", list(row))

        def ask(sql, parameters=None):
            return warehouse.rows(connection, sql, parameters), warehouse.rows(memory, sql, parameters)

        yield ask


def _typed(rows):
    return [{name: (type(value), value) for name, value in row.items()} for row in rows]


def test_values_of_every_type_are_those_that_duckdb_gives(asked):
    ours, theirs = asked("select * from s.t order by large")
    assert _typed(ours) == _typed(theirs)
    assert [tuple(row.values()) for row in ours] == [_ROWS[2], _ROWS[0], _ROWS[1]]


def test_another_value_would_be_seen():
    row = {"money": Decimal("1.00")}
    assert _typed([row]) != _typed([{"money": 1.0}]) and _typed([row]) != _typed([{"MONEY": Decimal("1.00")}])


@pytest.mark.parametrize("column", _COLUMNS)
def test_a_value_of_any_type_can_be_asked_for(asked, column):
    value = _ROWS[0][list(_COLUMNS).index(column)]
    ours, theirs = asked(f"select a_text from s.t where {column} = ?", [value])
    assert ours == theirs == [{"a_text": "it's"}]


def test_counts_and_shares_have_the_types_of_duckdb(asked):
    ours, theirs = asked(
        "select count(*) as n, cast(sum(money) as decimal(38, 2)) as money, avg(measure) as mean,"
        " max(moment) as last_seen, max(case when flag then 1 else 0 end) = 1 as is_any, min(day) as first_day from s.t"
    )
    assert _typed(ours) == _typed(theirs)


def test_arrow_keeps_decimals_and_microseconds(asked):
    with accounts.connected() as connection:
        found = connection.arrow("select money, moment, small from s.t where large = ?", [2**53 + 1])
        assert found.column_names == ["money", "moment", "small"]
        assert found.to_pylist() == [{"money": _ROWS[0][1], "moment": _ROWS[0][7], "small": -7}]
        schema = connection.schema("select money, measure, moment, small, day, flag, a_text from s.t")
        assert schema.types == [
            pa.decimal128(18, 2), pa.float64(), pa.timestamp("us"), pa.int64(), pa.date32(), pa.bool_(), pa.string(),
        ]  # fmt: skip
        streamed = list(connection.batches("select moment from s.t", pa.schema([("moment", pa.timestamp("us"))])))
        assert sorted(pa.concat_tables(streamed)["moment"].to_pylist(), key=str)[-1] is None


def test_relations_are_found_by_the_names_that_the_project_has(asked):
    with warehouse.asking() as query:
        query("create view s.v as select a_text from s.t")
        assert warehouse.has(query, "s", "t") and warehouse.has(query, "s", "v")
        assert not warehouse.has(query, "s", "u") and not warehouse.has(query, "u", "t")


def test_a_transaction_is_whole_or_nothing(asked):
    with accounts.connected() as connection:
        with pytest.raises(KeyError), connection.transaction():
            connection.rows("delete from s.t")
            raise KeyError
        assert connection.rows("select count(*) as n from s.t") == [{"n": 3}]


@pytest.mark.parametrize(
    ("sql", "names"),
    [("select a from s.nothing", "nothing"), ("selec a from s.t", "selec"), ("select b from s.t", '"b"')],
)
def test_what_the_account_refuses_is_one_line_without_codes(asked, sql, names):
    with warehouse.asking() as query, pytest.raises(NightbookError) as refused:
        query(sql)
    line = str(refused.value)
    assert "\n" not in line and names in line.lower() and not re.match(r"\d{6}", line), line


@pytest.mark.parametrize("name", ["SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_PATH"])
def test_a_variable_that_is_missing_is_named(account, monkeypatch, name):
    monkeypatch.delenv(name)
    with pytest.raises(NightbookError) as refused, warehouse.asking():
        pass
    assert name in str(refused.value) and "\n" not in str(refused.value)


def test_a_key_that_is_not_there_is_named(account, monkeypatch):
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY_PATH", "/nowhere/key.p8")
    with pytest.raises(NightbookError, match=r"^[^\n]*/nowhere/key.p8[^\n]*$"), warehouse.asking():
        pass
