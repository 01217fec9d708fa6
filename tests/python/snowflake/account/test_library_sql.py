"""The library's SQL is the same for both engines. Text that only one engine reads is found without an account."""

import pytest
from library_sql import gaps, of_source, statements

# SQL that the library once sent to DuckDB, and that could come back.
OF_ONE_ENGINE = {
    "select strftime(recorded_at, '%Y') from t": "STRFTIME",
    "select epoch(ended_at - started_at) from t": "EPOCH",
    "select bool_or(status = 'alert') from t": "LOGICAL_OR",
    "select list(reason order by rule) from t": "LIST",
    "select string_agg(reason, ' ' order by rule) from t": "GROUP_CONCAT",
    "select listagg(reason, ' ') within group (order by rule) from t": "GROUP_CONCAT",
    "select count(*) filter (where verdict = 'fail') from t": "filter",
    "select * exclude (run_id) from t": "a star",
    "select * replace (1 as cadence) from t": "a star",
    "select a, max(b) from t group by all": "all",
    "select a from t order by all": "all",
    "select a from t limit ?": "limit",
    "select a from t where d > date '2026-01-01' - interval 25 month": "interval",
    "select a from t where list_contains(?, customer_id)": "LIST_CONTAINS",
    "select table_name from duckdb_columns() where starts_with(table_name, ?)": "DUCKDB_COLUMNS",
    "select count(*) as rows from t": "word of Snowflake's own",
    "select to_char(a, 'YYYY') from t": "function",
    "select a from t qualify row_number() over (partition by a order by b desc) = 1 union": "duckdb",
}


def test_the_list_is_long_and_no_module_of_it_is_empty():
    found = statements()
    places = {one.place.partition(":")[0] for one in found}
    assert len(found) > 50
    assert places >= {
        "trail/audit.py", "trail/explanation.py", "trail/landed_rows.py", "trail/scored_nights.py",
        "engine/warehouse.py", "backfill.py", "openlineage.py", "summaries.py", "alerts/metrics_file.py",
        "reading.py", "model/segments.py", "pages/monitoring.py",
    }  # fmt: skip


@pytest.mark.parametrize("one", statements(), ids=lambda one: one.place)
def test_both_engines_read_it(one):
    assert gaps(one.sql) == []


@pytest.mark.parametrize("sql", OF_ONE_ENGINE)
def test_what_one_engine_alone_reads_is_found(sql):
    assert any(OF_ONE_ENGINE[sql].lower() in gap.lower() for gap in gaps(sql)), gaps(sql)


def test_sql_is_found_wherever_a_module_holds_it():
    source = """
_PART = "select a from t"
def ask(query, name):
    query(f"select strftime(b) from ({_PART}) as part where c = {name}")
    return query("select 1 as found" " from t")
"""
    assert [one.sql for one in of_source(source, "m.py")] == [
        "select a from t",
        "select strftime(b) from (select a from t) as part where c = x",
        "select 1 as found from t",
    ]
