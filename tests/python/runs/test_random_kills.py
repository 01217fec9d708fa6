"""Commands killed by SIGKILL at random moments and repeated leave what undisturbed ones leave.

On demand only, because test_kills covers named points: `KILLS=50 pytest ...` makes that many kills. After a kill, the
same command runs again. Half of the time `dbt retry` comes first, and writes nothing.
"""

import os
import random
import shutil

import pytest

from .conftest import Home, at_home, landed_alone, second_version
from .test_kills import DBT, dying, leftovers, registered, tables

KILLS = int(os.environ.get("KILLS", "0"))
NAMES = ("--approver", "bob", "--change-request")
PLAIN = ("dbt", "--quiet", "build", "--selector", "nightly")
COMMANDS = {
    "score": ("score",),
    "dbt": PLAIN,
    "approve": ("approve", "account_pd", "--version", "2", *NAMES, "CR-2"),
    "rollback": ("rollback", "account_pd", *NAMES, "CR-3"),
}
FILES = ("warehouse.duckdb", "mlflow.db")


def kept(home: Home, folder: str) -> None:
    """Save copies of a home's stores."""
    (home.path / folder).mkdir()
    for name in FILES:
        if (home.path / name).exists():
            shutil.copy(home.path / name, home.path / folder)


def back(home: Home, folder: str) -> None:
    """Restore a home's stores from the copies."""
    for name in FILES:
        for file in home.path.glob(f"{name}*"):
            file.unlink()
        if (home.path / folder / name).exists():
            shutil.copy(home.path / folder / name, home.path)


def left(home: Home) -> dict:
    """Everything that the commands leave, without run ids and times; of the audit log, entries counted by kind.

    What a killed run found in its inputs stays, and the next run enters it.
    """
    entries = home.query(
        "select kind, count(*) from audit.audit_chain"
        " where kind <> 'run' and not starts_with(subject, 'fct_input_checks') group by all order by all"
    )
    # By a new path, because MLflow keeps a store open by its path, and this is another store each time.
    with at_home(home):
        return tables(home) | {"entries": entries, "leftovers": leftovers(home), "registry": registered(home)}


def is_on_record(home: Home) -> bool:
    """Whether a run of this home has come to a good end; one that is killed early has not even made the log."""
    has_log = home.query("select 1 from duckdb_tables() where schema_name = 'audit' and table_name = 'run_log'")
    return bool(has_log and home.query("select 1 from audit.run_log where outcome = 'succeeded'"))


@pytest.fixture
def killed(small, demo, settle):
    """A function that kills a command `count` times, each time on the same initial home, and checks what is left."""

    def killed(home: Home, name: str, command: tuple[str, ...], count: int, draw: random.Random, *modules: str) -> None:
        kept(home, name)
        with dying(home, *DBT, *modules) as process:
            told = process.told(command)
            assert told["status"] == 0, told
            undisturbed = left(home)
            seconds, kills = told["seconds"], 0
            while kills < count:
                back(home, name)
                moment = draw.uniform(0, seconds)
                killed = process.told(command, point={"after": moment})
                if killed["signal"] != 9:
                    # It finished before the kill, because the first run had more to load.
                    seconds = killed["seconds"]
                    continue
                if name == "train" and is_on_record(home):
                    # Its run had come to its end, and another training is another run.
                    continue
                kills += 1
                print(f"{name} at {moment:.2f} s of {seconds}")
                if draw.random() < 0.5:
                    # For the last dbt run, which may have finished: nothing to do, or refused.
                    standing = tables(home)
                    retried = process.told(("dbt", "--quiet", "retry"))
                    is_refused = "rows of two runs" in retried["said"] or "previous run" in retried["said"]
                    assert is_refused or retried["status"] == 0, retried
                    assert tables(home) == standing
                process.run(*command)
                found = left(home)
                differing = {key for key in undisturbed if undisturbed[key] != found.get(key)}
                # What a run adds to the histories: nothing, if a killed run has added it already.
                assert differing <= {"intermediate.int_settled_payments"}
                assert set(found) == set(undisturbed)
                assert "Verified: " in process.run("verify-audit")

    return killed


@pytest.mark.skipif(not KILLS, reason="half a minute each: KILLS=50 pytest ... goes through as many")
@pytest.mark.parametrize("name", [*COMMANDS, "train"])
def test_whatever_is_killed_is_said_again(small, demo, settle, killed, name):
    draw = random.Random(f"{name} {os.environ.get('SEED', '')}")
    if name == "train":
        # A lender that has never trained, with an empty registry.
        home = settle()
        landed_alone(small, home)
        killed(home, name, ("train",), max(KILLS // 5, 1), draw, "small_models")
        return
    home = Home(settle(small.path, store=demo[0].path).path)
    second_version(home, is_on_record=True)
    if name == "rollback":
        with dying(home, *DBT, "runner.promotions") as process:
            process.run(*COMMANDS["approve"])
    killed(home, name, COMMANDS[name], max(KILLS // 5, 1), draw, "runner.promotions")
