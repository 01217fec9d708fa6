"""Loads on Snowflake: the same rows as on DuckDB, added to the existing ones, whole or not at all."""

import csv
import shutil
from pathlib import Path

import duckdb
import pytest
from nightbook import landing
from nightbook.engine import home
from nightbook.engine import snowflake_connection as accounts
from nightbook.errors import NightbookError
from nightbook.landing import snowflake_store
from nightbook.landing.contract import TABLES

SAMPLE = Path(__file__).resolve().parents[4] / "seeds" / "raw"


@pytest.fixture
def sample(tmp_path) -> Path:
    """The committed sample, as a lender's export."""
    folder = tmp_path / "exports"
    folder.mkdir()
    for file in SAMPLE.glob("*.csv"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def correction(tmp_path) -> Path:
    """A later export: one account and its month, both known from the sample, loaded a day later."""
    folder = tmp_path / "correction"
    folder.mkdir()
    for name in ("accounts", "loan_servicing"):
        with (SAMPLE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        row = rows[0] | {"_loaded_at": "2026-07-01 02:00:00", "_load_id": "corrected"}
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)
    return folder


def _landed(name: str) -> list[tuple]:
    with accounts.connected() as connection:
        return sorted((tuple(row.values()) for row in connection.rows(f"select * from raw.{name}")), key=repr)


def _counts() -> dict[str, int]:
    with accounts.connected() as connection:
        there = snowflake_store._tables(connection)
        return {
            name: connection.rows(f"select count(*) as n from raw.{name}")[0]["n"]
            for name in TABLES
            if f"raw.{name}" in there
        }


def _staged() -> list[dict]:
    with accounts.connected() as connection:
        return connection.rows(f"list @{snowflake_store.STAGE}")


def test_the_sample_lands_as_it_does_in_duckdb(account, sample, monkeypatch, tmp_path):
    load = landing.land_files(sample)
    ours = {name: _landed(name) for name in TABLES}
    assert _staged() == [] and not list(home.home().glob(".incoming-*"))
    monkeypatch.setenv("NIGHTBOOK_TARGET", "duckdb")
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path / "beside"))
    assert landing.land_files(sample) == load
    with duckdb.connect(str(home.warehouse()), read_only=True) as connection:
        for name in TABLES:
            assert ours[name] == sorted(connection.execute(f"select * from raw.{name}").fetchall(), key=repr), name
    assert len(ours["loan_servicing"]) > 7_000


def test_columns_have_the_types_of_the_contract(account, sample):
    landing.land_files(sample)
    with accounts.connected() as connection:
        for name, table in TABLES.items():
            found = connection.schema(f"select * from raw.{name}")
            assert found.names == table.schema.names
            for ours, theirs in zip(found.types, table.schema.types, strict=True):
                assert str(ours) == str(theirs).replace("int32", "int64"), name


def test_the_same_files_land_once_and_others_are_added(account, sample, correction):
    landing.land_files(sample)
    before = _counts()
    again = landing.land_files(sample)
    assert again.notes[-1] == "these files had already landed: nothing was written" and _counts() == before
    landing.land_files(correction)
    assert _counts() == before | {"accounts": before["accounts"] + 1, "loan_servicing": before["loan_servicing"] + 1}


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("after", [0, 4])
def test_a_load_that_breaks_off_leaves_nothing_and_can_be_landed_again(account, sample, monkeypatch, fault, after):
    copy, done = snowflake_store._copy_table, []

    def breaking(connection, name, *arguments):
        if len(done) == after:
            raise fault
        copy(connection, name, *arguments)
        done.append(name)

    with monkeypatch.context() as planted:
        planted.setattr(snowflake_store, "_copy_table", breaking)
        with pytest.raises(fault):
            landing.land_files(sample)
    assert len(done) == after and not any(_counts().values()) and _staged() == []
    load = landing.land_files(sample)
    assert _counts() == load.rows and "nothing was written" not in str(load.notes)


def test_rows_that_do_not_arrive_stop_the_load(account, sample, monkeypatch):
    written = snowflake_store._written
    with monkeypatch.context() as planted:
        planted.setattr(snowflake_store, "_written", lambda folder: written(folder) + (folder.name == "payments"))
        with pytest.raises(NightbookError, match=r"raw.payments: 7,865 rows of files-\w+ arrived, but 7,866 were sent"):
            landing.land_files(sample)
    assert not any(_counts().values())


def test_a_lender_does_not_join_another(account, sample):
    landing.land_files(sample)
    with pytest.raises(NightbookError, match="already holds files-.*SNOWFLAKE_DATABASE"):
        landing.land_synthetic(50, months=3, seed=1, applications=2)


def test_a_lender_does_not_join_what_another_loader_brought(account, sample):
    with accounts.connected() as connection:
        connection.rows("create schema raw")
        connection.rows(f"create table raw.default_events ({snowflake_store.table_columns('default_events')})")
        connection.rows("insert into raw.default_events (account_id) values ('A1')")
    with pytest.raises(NightbookError, match="raw.default_events was filled by dbt seeds or another loader"):
        landing.land_synthetic(50, months=3, seed=1, applications=2)
    landing.land_files(sample)


def test_a_synthetic_lender_lands_once(account):
    load = landing.land_synthetic(50, months=3, seed=1, applications=2)
    assert load.rows == _counts() and str(load.last_snapshot) == "2026-06-30"
    again = landing.land_synthetic(50, months=3, seed=1, applications=2)
    assert again.rows == load.rows == _counts()
    assert again.notes == ("this had already landed: nothing was written",)


def test_a_home_with_odd_characters_lands_too(account, sample, tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path / "it's [1] home a=b"))
    assert landing.land_files(sample).rows == _counts()
