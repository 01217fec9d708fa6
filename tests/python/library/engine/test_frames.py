"""Engine columns as the matrix that XGBoost reads, and Arrow as what dbt takes back."""

from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from nightbook.engine import frames
from nightbook.modelling import candidates
from nightbook.scoring import scorer

COLUMNS = {
    "small": ("integer", [3, None, -7, 2_147_483_647]),
    "big": ("bigint", [1, 2**53, None, -(2**40)]),
    "unsigned": ("utinyint", [0, 255, None, 1]),
    "huge": ("hugeint", [10**20, None, 0, -1]),
    "double": ("double", [0.1, -0.0, None, 1e-40]),
    "single": ("float", [0.1, None, 2.5, 16_777_217.0]),
    "money": ("decimal(18, 2)", [Decimal("0.07"), None, Decimal("-99.99"), Decimal("9999999999999999.99")]),
    "ratio": ("decimal(9, 6)", [Decimal("0.285714"), Decimal("0.000001"), None, Decimal("999.999999")]),
    "flag": ("boolean", [True, None, False, True]),
    "nothing": ("integer", [None, None, None, None]),
}


def as_float32(value) -> np.float32:
    return np.float32(np.nan) if value is None else np.float32(float(value))


@pytest.fixture
def relation(connection):
    types = {name: kind for name, (kind, _) in COLUMNS.items()}
    rows = list(zip(*(values for _, values in COLUMNS.values()), strict=True))
    connection.execute(f"create or replace temp table given ({', '.join(f'{n} {k}' for n, k in types.items())})")
    connection.executemany(f"insert into given values ({', '.join('?' * len(types))})", rows)
    return connection.table("given")


def test_matrix_holds_every_type_and_null(relation):
    names = list(COLUMNS)
    expected = np.array([[as_float32(value) for value in values] for _, values in COLUMNS.values()]).T
    found = frames.matrix(frames.table(relation), names)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)
    batch = next(frames.batches(relation, [], names))
    assert isinstance(batch, pa.RecordBatch)
    assert frames.matrix(batch, names).tobytes() == found.tobytes()
    backwards = frames.matrix(batch, names[::-1])
    assert backwards.tobytes() == np.ascontiguousarray(expected[:, ::-1]).tobytes()


def test_matrix_without_rows_or_columns(relation):
    nobody = frames.table(relation.filter("false"))
    assert frames.matrix(nobody, list(COLUMNS)).shape == (0, len(COLUMNS))
    assert frames.matrix(frames.table(relation), []).shape == (4, 0)


@pytest.mark.parametrize("kind", ["decimal(4, 2)", "decimal(18, 2)", "decimal(18, 6)", "decimal(38, 10)"])
def test_decimals_become_the_double_that_sql_gives(connection, kind):
    # Drift compares edges from Arrow with values compared in SQL. One different bit would move a row to another bin.
    exact = connection.sql(
        f"select v, cast(v as double) as d from (select cast(range * 0.013 as {kind}) as v from range(7000))"
    )
    table = frames.table(exact)
    assert frames.doubles(table["v"]).tobytes() == table["d"].to_numpy().tobytes()
    assert frames.doubles(table["v"])[17] == float(table["v"][17].as_py())


def test_table_is_ordered_and_rows_are_dictionaries(connection):
    relation = connection.sql("select (range * 7919) % 1000 as b, range % 10 as a from range(1000)")
    ordered = frames.rows(relation, ("a", "b"))
    assert [tuple(row.values())[::-1] for row in ordered] == sorted((n % 10, n * 7919 % 1000) for n in range(1000))
    assert set(ordered[0]) == {"a", "b"}
    assert frames.count(relation) == 1000 and frames.count(relation.filter("a < 0")) == 0


def test_batches_hold_the_columns_asked_for_in_their_order(monkeypatch, connection):
    monkeypatch.setattr(frames, "BATCH_ROWS", 100)
    relation = connection.sql('select range as a, range + 1 as "B c", range + 2 as d from range(250)')
    found = list(frames.batches(relation, ["B c"], ["a"]))
    assert [batch.num_rows for batch in found] == [100, 100, 50]
    assert all(batch.schema.names == ["B c", "a"] for batch in found)
    assert found[0].schema.types == [pa.int64(), pa.float32()]


@pytest.mark.parametrize("schema", [candidates.CANDIDATE_SCHEMA, candidates.REGISTRATION_SCHEMA, scorer.PROFILE_SCHEMA])
def test_no_records_keep_all_columns(connection, schema):
    found = frames.records(connection, schema, [])
    assert found.schema == schema and found.num_rows == 0
    assert connection.from_arrow(found).columns == schema.names


def test_records_fill_what_is_absent_with_null(connection):
    found = frames.records(
        connection, candidates.CANDIDATE_SCHEMA, iter([{"model_name": "account_pd", "status": "no_cases"}])
    )
    assert found.schema == candidates.CANDIDATE_SCHEMA
    row = found.to_pylist()[0]
    assert {name for name, value in row.items() if value is not None} == {"model_name", "status"}


def test_relation_streams_and_keeps_its_schema_when_empty(connection):
    schema = pa.schema([("a", pa.int64())])
    produced = []

    def stream():
        for number in range(3):
            produced.append(number)
            yield pa.record_batch([pa.array([number])], schema=schema)

    reader = frames.relation(connection, schema, stream())
    assert produced == []
    reader.read_next_batch()
    assert produced == [0]
    nobody = connection.from_arrow(frames.relation(connection, schema, []))
    assert nobody.columns == ["a"] and frames.count(nobody) == 0


def test_settings_that_could_move_a_result_are_told_with_the_engine(tmp_path):
    means = {"memory_limit": "1GB", "threads": "1", "preserve_insertion_order": "false"}
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), config=means) as session:
        assert frames.engine(session) == f"duckdb {duckdb.__version__}"
        session.execute("set integer_division = true")
        session.execute("set scalar_subquery_error_on_multiple_rows = false")
        told = f"duckdb {duckdb.__version__}, integer_division=true, scalar_subquery_error_on_multiple_rows=false"
        assert frames.engine(session) == told
