"""A home that is moved or copied reads and writes itself, although the home it came from is gone or still there."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.python.runs.conftest import Home, ok, refused

LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
ACCOUNT = "select min(account_id) from marts.fct_account_scores"


@contextlib.contextmanager
def store_of(home: Home) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(home.path / "mlflow.db")) as store, store:
        yield store


def elsewhere(home: Home) -> list[str]:
    """What the views and the store of a home name outside of it."""
    named = [sql for (sql,) in home.query("select sql from duckdb_views() where schema_name = 'raw'")]
    with store_of(home) as store:
        for table, column in LOCATIONS:
            named += [address for (address,) in store.execute(f"select {column} from {table}")]
        named += [value for (value,) in store.execute("select value from tags where key = 'nightbook.origin'")]
    return [one for one in named if one and f"{home.path.parent}/" not in one]


def moved_to(folder: Path, demo: Home) -> Home:
    """The demo's home, copied to one place and moved to another. Nothing is left where it was."""
    first, second = folder / "first", folder / "it's [here]"
    shutil.copytree(demo.path, first, ignore=shutil.ignore_patterns("target", "logs"))
    first.rename(second)
    return Home(second)


@pytest.fixture(scope="module")
def settled(demo, tmp_path_factory) -> Home:
    """A moved home after a command that read its views and its registry."""
    home = moved_to(tmp_path_factory.mktemp("moved"), demo[0])
    ok(home.run("verify-audit"))
    assert not elsewhere(home)
    return home


def test_a_moved_home_is_read_scored_and_computed_again(demo, tmp_path):
    moved = moved_to(tmp_path, demo[0])
    assert len(elsewhere(moved)) > 8
    night = moved.partition()
    [(account,)] = moved.query(ACCOUNT)
    ok(moved.run("explain", "--account", account, "--as-of", "2026-06-30"))
    ok(moved.run("reproduce", "--as-of", "2026-06-30", "--sample", "20"))
    ok(moved.run("verify-audit"))
    assert not elsewhere(moved)
    assert moved.query("select count(*) from raw.accounts") == demo[0].query("select count(*) from raw.accounts")
    ok(moved.run("score"))
    assert moved.partition() == night
    ok(moved.run("verify-audit"))


def test_plain_dbt_points_a_moved_home_at_itself(settled, tmp_path):
    here = str(settled.path).replace("'", "''").replace("[", "[[]")
    # DuckDB makes a view only over files that are there.
    shutil.copytree(settled.path / "landing", tmp_path / "gone" / "landing")
    settled.execute(
        *(
            sql.replace(here, str(tmp_path / "gone")).replace("CREATE VIEW", "create or replace view")
            for (sql,) in settled.query("select sql from duckdb_views() where schema_name = 'raw'")
        )
    )
    shutil.rmtree(tmp_path / "gone")
    assert len(elsewhere(settled)) == 8
    ok(settled.dbt("show", "--inline", "select 1 as one", "--quiet"))
    assert not elsewhere(settled)


def test_views_of_two_homes_are_no_move(settled, tmp_path):
    [(sql,)] = settled.query("select sql from duckdb_views() where schema_name = 'raw' and view_name = 'payments'")
    here = str(settled.path).replace("'", "''").replace("[", "[[]")
    shutil.copytree(settled.path / "landing", tmp_path / "other" / "landing")
    settled.execute(sql.replace(here, str(tmp_path / "other")).replace("CREATE VIEW", "create or replace view"))
    assert "somebody changed them" in refused(settled.run("status"))
    settled.execute(sql.replace("CREATE VIEW", "create or replace view"))
    ok(settled.run("status"))


def test_a_home_without_its_files_is_refused_although_they_are_still_elsewhere(demo, tmp_path):
    home = Home(tmp_path / "part")
    home.path.mkdir()
    for name in ("warehouse.duckdb", "mlflow.db"):
        shutil.copy(demo[0].path / name, home.path)
    before = elsewhere(home)
    for command in (("status",), ("verify-audit",), ("score",)):
        assert "this home was moved or copied without" in refused(home.run(*command)), command
    assert elsewhere(home) == before
    shutil.copytree(demo[0].path / "landing", home.path / "landing")
    assert "mlflow-artifacts is missing" in refused(home.run("score"))


def test_a_store_that_cannot_be_pointed_here_stays_as_it_was(demo, tmp_path):
    home = Home(tmp_path / "stopped")
    shutil.copytree(demo[0].path, home.path, ignore=shutil.ignore_patterns("target", "logs"))
    with store_of(home) as store:
        store.execute("create trigger stop before update on tags begin select raise(abort, 'stopped halfway'); end")
    ok(home.run("status"))
    before = elsewhere(home)
    assert before and "stopped halfway" in refused(home.run("score"))
    assert elsewhere(home) == before
    with store_of(home) as store:
        store.execute("drop trigger stop")
    # Refused for its own reason, but only after the store is settled.
    refused(home.run("rollback", "account_pd", "--approver", "ann", "--change-request", "CR-9"))
    assert not elsewhere(home)


def test_a_home_that_is_moved_while_it_is_written_keeps_its_lock_and_a_copy_has_none(demo, tmp_path):
    first, second = tmp_path / "first", Home(tmp_path / "second")
    shutil.copytree(demo[0].path, first, ignore=shutil.ignore_patterns("target", "logs", "landing"))
    (first / "landing").mkdir()
    with FileLock(first / "lock"):
        first.rename(second.path)
        assert "is being written by" in refused(second.run("docs"))
        shutil.copytree(second.path, tmp_path / "third")
        line = refused(Home(tmp_path / "third").run("score"))
        assert "this home was moved or copied without" in line
