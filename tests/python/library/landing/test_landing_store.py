import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import nightbook
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import land_files, land_synthetic, store
from nightbook.landing.contract import TABLES, sql_type


def reported(*accounts: str) -> pa.Table:
    night = datetime(2026, 7, 1, 2, tzinfo=UTC).replace(tzinfo=None)
    row = {"defaulted_on": None, "reason": "reported", "_loaded_at": night, "_load_id": "x"}
    return pa.Table.from_pylist(
        [{"account_id": account} | row for account in accounts], TABLES["default_events"].schema
    )


def land(load_id: str, *accounts: str, alone: bool = False) -> None:
    with store.incoming(load_id, alone) as folder:
        store.write(folder, "default_events", reported(*accounts))


def tree() -> list[str]:
    return sorted(str(path.relative_to(home.home())) for path in home.home().rglob("*") if path.is_file())


def test_every_table_lands_and_can_be_read(query):
    land("files-a", "A1")
    for table in TABLES:
        assert query(f"select count(*) from raw.{table}") == [(int(table == "default_events"),)]
    assert store.describe("files-a") == store.Load(
        "files-a", {table: int(table == "default_events") for table in TABLES}, None
    )


def test_views_have_the_columns_and_types_of_the_contract(query):
    land("files-a", "A1")
    for name, table in TABLES.items():
        described = query(f"describe raw.{name}")
        assert [(row[0], row[1]) for row in described] == [(c, sql_type(t)) for c, t in table.columns.items()]


def test_loads_add_up(query):
    land("files-a", "A1")
    land("files-b", "A2", "A3")
    assert query("select account_id from raw.default_events order by 1") == [("A1",), ("A2",), ("A3",)]


def test_a_small_load_does_not_make_the_engine_expect_a_small_table(query):
    land("files-b", *(f"A{number}" for number in range(50_000)))
    land("files-a", "A1")
    ((_, plan),) = query("explain select * from raw.default_events")
    (expected,) = re.findall(r"~([\d,]+) rows", plan)
    assert int(expected.replace(",", "")) >= 50_000


def test_the_same_load_is_replaced(query):
    land("files-a", "A1", "A2")
    land("files-a", "A3")
    assert query("select account_id from raw.default_events") == [("A3",)]
    assert not list(home.home().glob(".*"))


def test_an_interrupted_write_leaves_nothing(query):
    land("files-a", "A1")
    before = tree()
    with pytest.raises(KeyboardInterrupt), store.incoming("files-b", alone=False) as folder:
        store.write(folder, "default_events", reported("A2"))
        raise KeyboardInterrupt
    assert tree() == before
    assert query("select account_id from raw.default_events") == [("A1",)]


def test_what_a_killed_writer_left_is_not_read_and_goes_away(query):
    land("files-a", "A1")
    killed = "import os; from nightbook.landing import store\nwith store.incoming('files-b', False): os._exit(9)"
    environment = os.environ | {"PYTHONPATH": str(Path(nightbook.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", killed], env=environment).returncode == 9
    left = home.home() / ".incoming-files-b"
    assert left.is_dir()
    store.write(left, "default_events", reported("A2"))
    assert query("select account_id from raw.default_events") == [("A1",)]
    land("files-c", "A3")
    assert not left.exists()
    assert query("select account_id from raw.default_events order by 1") == [("A1",), ("A3",)]


def test_a_load_that_a_killed_writer_had_put_aside_comes_back(query):
    land("files-a", "A1")
    (home.landing() / "files-a").rename(home.home() / ".outgoing-files-a")
    land("files-b", "A2")
    assert query("select account_id from raw.default_events order by 1") == [("A1",), ("A2",)]


def test_a_lender_that_must_be_alone_refuses_company():
    land("files-a", "A1")
    before = tree()
    with pytest.raises(NightbookError, match=r"already holds files-a.*NIGHTBOOK_HOME to another folder"):
        land("synthetic-x", "A2", alone=True)
    assert tree() == before


def test_an_empty_table_gives_way_to_the_view(query):
    home.home().mkdir(parents=True)
    with duckdb.connect(str(home.warehouse())) as connection:
        connection.execute("create schema raw; create table raw.payments (payment_id varchar)")
    land("files-a", "A1")
    assert query("select table_name from duckdb_tables() where schema_name = 'raw'") == []
    assert query("select count(*) from raw.payments") == [(0,)]


def test_a_filled_table_is_refused_before_anything_is_written():
    home.home().mkdir(parents=True)
    with duckdb.connect(str(home.warehouse())) as connection:
        connection.execute("create schema raw; create table raw.payments as select 'T1' as payment_id")
    with pytest.raises(NightbookError, match=r"raw.payments .* dbt seeds or another loader.* NIGHTBOOK_HOME"):
        land("files-a", "A1")
    assert list(home.landing().iterdir()) == []


def test_a_locked_warehouse_is_named_with_its_holder():
    home.home().mkdir(parents=True)
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    arguments = [sys.executable, "-c", hold, str(home.warehouse())]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(NightbookError) as raised:
            land("files-a", "A1")
        holder.stdin.close()
    message = str(raised.value)
    assert str(home.warehouse()) in message and f"process {holder.pid} " in message and "\n" not in message
    assert not home.landing().exists()


def test_a_warehouse_that_is_no_database_is_one_line():
    home.home().mkdir(parents=True)
    home.warehouse().write_bytes(b"not a database at all" * 500)
    with pytest.raises(NightbookError, match=r"^cannot open .*warehouse.duckdb: [^\n]+$"):
        land("files-a", "A1")


def test_a_home_with_odd_characters_works(query, tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path / "it's [1] *home* a=b"))
    land("files-a", "A1")
    assert query("select account_id from raw.default_events") == [("A1",)]


def test_a_refused_write_is_one_line():
    with pytest.raises(NightbookError, match=r"^/.*home: No space left on device$"), store.incoming("f", False):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("land", [lambda _: land_synthetic(10), land_files])
def test_a_home_that_is_a_file_is_one_line(tmp_path, land):
    (tmp_path / "in").mkdir()
    for table in ("accounts", "loan_servicing"):
        pq.write_table(TABLES[table].schema.empty_table(), tmp_path / "in" / f"{table}.parquet")
    home.home().write_text("in the way")
    with pytest.raises(NightbookError, match=r"^/.*home: File exists$"):
        land(tmp_path / "in")
