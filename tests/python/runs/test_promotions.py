"""Who may make a version champion, and what a night does without one; on the command line."""

import shutil
import sqlite3

import pytest

from .conftest import Home, ok, refused


def marts(home: Home) -> list[tuple]:
    return home.query("select * from marts.fct_account_scores order by all")


def test_without_a_champion_nothing_is_written(small, settle):
    home = settle(small.path / "warehouse.duckdb")
    before = marts(home)
    line = refused(home.run("score"))
    assert "account_pd has no champion" in line and "approve" in line
    assert marts(home) == before


def test_an_artifact_that_is_not_the_registered_one_is_refused_and_nothing_is_written(copy, demo):
    """The registry's own record is changed, in a copy of it: the artifact belongs to every test."""
    home, _ = demo
    before = marts(copy)
    (digest,) = home.query("select model_digest from audit.fct_model_versions where model_name = 'account_pd'")[0]
    shutil.copy(home.path / "mlflow.db", copy.path)
    with sqlite3.connect(copy.path / "mlflow.db") as store:
        changed = store.execute(
            "update model_version_tags set value = ? where key = 'model_digest' and value = ?", [digest[::-1], digest]
        )
    assert changed.rowcount == 1
    line = refused(Home(copy.path, registry=f"sqlite:///{copy.path / 'mlflow.db'}").run("score"))
    assert "account_pd version 1" in line and "SHA-256" in line
    assert marts(copy) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--version", "1", "--approver", "Demo-Modeller ", "--change-request", "CR-9"), "made by demo-modeller"),
        (("--version", "1", "--approver", "ann", "--change-request", " "), "--change-request is empty"),
        (("--version", "1", "--approver", "ann", "--change-request", "CR-9"), "champion already"),
        (("--version", "7", "--approver", "ann", "--change-request", "CR-9"), "has no version 7"),
    ],
)
def test_an_approval_that_must_not_be(demo, arguments, said):
    home, _ = demo
    before = home.query("select * from audit.fct_promotions order by all")
    assert said in refused(home.run("approve", "account_pd", *arguments))
    assert home.query("select * from audit.fct_promotions order by all") == before


def test_usage_errors_exit_2(demo):
    home, _ = demo
    for arguments in (
        ("approve", "account_pd", "--version", "1", "--approver", "ann"),
        ("score", "--as-of", "tomorrow"),
        ("land", "synthetic", "--accounts", "0"),
        ("nonsense",),
    ):
        done = home.run(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr


def test_the_first_champion_cannot_be_rolled_back(demo):
    home, _ = demo
    line = refused(home.run("rollback", "account_pd", "--approver", "ann", "--change-request", "CR-9"))
    assert "first champion" in line


def test_an_unknown_model_is_named(demo):
    home, _ = demo
    line = refused(home.run("approve", "acount_pd", "--version", "1", "--approver", "a", "--change-request", "c"))
    assert "acount_pd" in line and "account_pd" in line and "application_pd" in line


def test_bad_files_land_nothing(tmp_path):
    home, files = Home(tmp_path / "home"), tmp_path / "files"
    home.path.mkdir()
    files.mkdir()
    (files / "accounts.csv").write_text("account_id\nA1\n")
    line = refused(home.run("land", "files", "--dir", str(files)))
    assert "accounts.csv" in line or "loan_servicing" in line
    assert not list((home.path / "landing").glob("*")) if (home.path / "landing").exists() else True


def test_training_without_a_matured_cohort_says_so(settle):
    home = settle()
    ok(home.run("land", "synthetic", "--accounts", "60", "--months", "6", "--applications", "5"))
    assert "no cohort has matured" in refused(home.run("train"))


def test_scoring_before_landing_says_so(settle):
    line = refused(settle().run("score"))
    assert "land" in line.lower()
