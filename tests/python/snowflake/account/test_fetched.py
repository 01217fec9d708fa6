"""Rows that a night depends on are fetched from Snowflake as from DuckDB's file. Stored results arrive unchanged."""

import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from nightbook import landing
from nightbook.engine import snowflake_connection as accounts
from nightbook.engine import warehouse
from nightbook.errors import NightbookError
from nightbook.landing.contract import TABLES
from nightbook.trail import scored_nights, scratch_home, snowflake_copy

SAMPLE = Path(__file__).resolve().parents[4] / "seeds" / "raw"
NIGHT = scored_nights.Night(
    date(2026, 6, 30), {"run_id": "r1", "known_at": datetime(2026, 6, 30, 3)}, {"account_pd": 1, "application_pd": 1}
)
_STORED = {
    "marts.fct_account_scores": "account_id varchar, pd double",
    "marts.fct_application_scores": "application_id varchar, pd double",
    "scoring.account_inputs": "account_id varchar, balance decimal(18, 2)",
    "marts.fct_application_contributions": "application_id varchar, feature varchar, contribution double",
}


@pytest.fixture
def exports(tmp_path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, folder)
    return folder


def _store(run, keys: list[str]) -> None:
    for schema in ("marts", "scoring"):
        run(f"create schema {schema}")
    for relation, columns in _STORED.items():
        run(f"create table {relation} (as_of_date date, run_id varchar, {columns})")
    for number, key in enumerate(keys):
        run(f"insert into marts.fct_account_scores values (date '2026-06-30', 'r1', '{key}', {number / 7!r}::double)")
        run(f"insert into scoring.account_inputs values (date '2026-06-30', 'r1', '{key}', {number}.25)")
    run("insert into marts.fct_application_scores values (date '2026-06-30', 'r1', 'P00000100', 0.5)")
    run("insert into marts.fct_account_scores values (date '2026-06-30', 'r0', 'of another run', 0.5)")


@pytest.fixture
def both(account, exports, tmp_path, monkeypatch):
    """A Snowflake account and a DuckDB home with the same landed rows and scores; a function that selects one."""
    keys = ["A00000000", "A00000007", "A00000100"]
    landing.land_files(exports)
    with accounts.connected() as connection:
        _store(connection.rows, keys)

    def turn_to(engine: str) -> Path:
        monkeypatch.setenv("NIGHTBOOK_TARGET", engine)
        monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path / engine))
        scratch = tmp_path / f"scratch-{engine}"
        scratch.mkdir(exist_ok=True)
        return scratch

    turn_to("duckdb")
    landing.land_files(exports)
    with duckdb.connect(str(tmp_path / "duckdb" / "warehouse.duckdb")) as connection:
        _store(connection.execute, keys)
    return turn_to


def _chosen(**given) -> dict | None:
    with warehouse.asking() as query:
        return scored_nights.chosen(query, NIGHT, *(given.get(name) for name in ("account", "application", "sample")))


def _raw(scratch: Path) -> dict[str, list[tuple]]:
    with duckdb.connect(str(scratch / "warehouse.duckdb"), read_only=True) as connection:
        return {
            name: sorted(
                connection.execute(
                    f"select * from raw.{name} where _loaded_at <= ?", [NIGHT.run["known_at"]]
                ).fetchall(),
                key=repr,
            )
            for name in TABLES
        }


@pytest.mark.parametrize("given", [{"account": "A00000007"}, {"application": "P00000100"}, {"sample": 2}, {}])
def test_landed_rows_are_those_that_duckdb_lays_out(both, given):
    laid_out, keys = {}, {}
    for engine in ("duckdb", "snowflake"):
        scratch = both(engine)
        chosen = _chosen(**given)
        keys[engine] = chosen and {kind: one.keys for kind, one in chosen.items()}
        scratch_home.land(scratch, NIGHT, chosen)
        laid_out[engine] = _raw(scratch)
    assert keys["snowflake"] == keys["duckdb"]
    for name in TABLES:
        assert laid_out["snowflake"][name] == laid_out["duckdb"][name], name
    rows = len(laid_out["snowflake"]["loan_servicing"])
    assert rows > 7_000 if not given else 0 < rows < 2_000


def test_what_was_stored_comes_in_its_own_types_and_of_its_own_run(both):
    scratch = both("snowflake")
    with accounts.connected() as connection:
        # More places than the model has: rounding on the way would hide the change.
        connection.rows("drop table scoring.account_inputs")
        connection.rows(
            "create table scoring.account_inputs as select date '2026-06-30' as as_of_date, 'r1' as run_id,"
            " 'A00000007' as account_id, cast(1.250001 as decimal(18, 6)) as balance"
        )
        # Without the record of promotions, nothing would score there.
        connection.rows("create schema audit")
        connection.rows(
            "create table audit.promotion_log as select 'account_pd' as model_name, 1 as sequence,"
            " cast('2026-06-01 08:00:00' as timestamp_ntz) as promoted_at"
        )
    scratch_home.land(scratch, NIGHT, None)
    with scratch_home.beside(scratch) as connection:
        assert connection.execute("from audit.promotion_log").fetchall() == [("account_pd", 1, datetime(2026, 6, 1, 8))]
        assert connection.execute("select balance from book.scoring.account_inputs").fetchall() == [
            (Decimal("1.250001"),)
        ]
        scores = connection.execute("select account_id, pd from book.marts.fct_account_scores order by 1").fetchall()
    assert scores == [("A00000000", 0.0), ("A00000007", 1 / 7), ("A00000100", 2 / 7)]


def test_a_key_that_was_not_scored_is_refused(both):
    both("snowflake")
    with pytest.raises(NightbookError, match="account A00000001 was never scored: it has landed"):
        _chosen(account="A00000001")
    with pytest.raises(NightbookError, match="no account it's has ever landed"):
        _chosen(account="it's")


def test_rows_of_later_loads_are_not_fetched(both):
    scratch = both("snowflake")
    early = scored_nights.Night(NIGHT.as_of_date, NIGHT.run | {"known_at": datetime(2020, 1, 1)}, NIGHT.versions)
    snowflake_copy.fetch(scratch, early, None)
    with duckdb.connect(str(scratch / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*), max(_loaded_at) from raw.loan_servicing").fetchone()
        assert found[0] < 7_000 and (found[1] is None or found[1] <= datetime(2020, 1, 1))
