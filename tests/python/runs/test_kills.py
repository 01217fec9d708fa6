"""Commands killed by SIGKILL at named points and started again leave what undisturbed ones leave.

Several points are killed one after another on one home, each in a separate process, before the command may finish. This
also shows that it can be started again after any of them, and after any number of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pytest
from nightbook.engine import warehouse
from nightbook.errors import NightbookError
from nightbook.modelling import training
from nightbook.modelling.boosting import FeatureSpec
from nightbook.registry.record import Record

from .conftest import ROOT, Home, at_home, landed_alone, ok, refused, second_version

HISTORIES = ("fct_account_scores", "fct_provisions", "fct_application_scores")
# Who wrote a row, when, and why it was computed again.
STAMPS = (
    "run_id", "scored_at", "started_at", "known_at", "decided_at", "kept_by", "kept_for", "registered_at",
    "approved_at", "promoted_at", "pinned_versions", "mlflow_run_id", "artifact_digest", "dbt_scd_id",
    "dbt_updated_at", "dbt_valid_from", "dbt_valid_to",
)  # fmt: skip
# These have rows for each run, killed ones included. Other asserts check what a run must leave in them.
LOGS = ("audit.run_log", "audit.audit_chain", "intermediate.int_landings", "inputs.fct_input_checks")
# What a run has to compute again. A killed run may have computed a part of it.
CHANGES = ("intermediate.int_history_changes", "intermediate.int_window_changes")
# Columns are read from the SQL that was compiled by then. That depends on what existed and on what ran first.
LINEAGE = ("audit.input_lineage", "audit.input_lineage_weekly", "audit.lineage_nightly", "audit.lineage_weekly")


class Dying:
    """The process of dying.py, for one home."""

    def __init__(self, home: Home, *modules: str) -> None:
        environment = home.environment(DYING_SAID=str(home.path / "said.txt"), PYTHONPATH=str(Path(__file__).parent))
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("dying.py")), *modules],
            env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def told(self, arguments, point: dict | None = None, call: str | None = None) -> dict:
        order = {"call": call, "arguments": list(arguments), "point": point}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def kill(self, *arguments, point: dict, call: str | None = None) -> None:
        told = self.told(arguments, point, call)
        print(f"{told['seconds']:6.2f} s to {point}")
        assert told["signal"] == 9, (point, told)

    def run(self, *arguments, call: str | None = None) -> str:
        told = self.told(arguments, None, call)
        print(f"{told['seconds']:6.2f} s to the end of {arguments}")
        assert told["status"] == 0, told
        return told["said"]


@contextmanager
def dying(home: Home, *modules: str):
    started = Dying(home, *modules)
    try:
        yield started
    finally:
        started.process.stdin.close()
        started.process.wait()


def tables(home: Home) -> dict[str, tuple]:
    """Rows and a digest without run stamps of every table of the warehouse, except logs of runs."""
    columns: dict[str, list[str]] = {}
    for name, column in home.query(
        "select schema_name || '.' || table_name, column_name from duckdb_columns()"
        " where database_name = 'warehouse' and not internal and (table_oid in (select table_oid from duckdb_tables())"
        " or table_name = 'rpt_regulatory_features')"
    ):
        columns.setdefault(name, []).append(column)
    told = [
        f"select '{name}', count(*), sum(hash(({', '.join(c for c in found if c not in STAMPS) or 1}))) from {name}"
        for name, found in columns.items()
        if name not in (*LOGS, *CHANGES, *LINEAGE)
    ]
    return {name: row for name, *row in home.query(" union all ".join(told))}


def partitions(home: Home) -> dict[tuple, tuple]:
    """Each partition of the histories: rows, keys, and a digest of its content."""
    return {
        (relation, str(as_of_date)): tuple(row)
        for relation in HISTORIES
        for key in ["application_id" if "application" in relation else "account_id"]
        for as_of_date, *row in home.query(
            f"select as_of_date, count(*), count(distinct {key}), sum(hash(({key}, pd))) from marts.{relation}"
            " group by all"
        )
    }


def leftovers(home: Home) -> list[str]:
    """What a run creates and removes again: relations, locks, spilled and half-written files."""
    relations = home.query(
        "select table_name from information_schema.tables where table_name like '%\\_\\_dbt\\_%' escape '\\'"
    )
    files = [
        path.relative_to(home.path.resolve())
        for pattern in ("**/*.part*", "**/*.sent", "lineage/outbox/*", "lock.json", "spill", "mlflow.db-journal")
        for path in home.path.resolve().glob(pattern)
    ]
    return sorted([name for (name,) in relations] + [str(path) for path in files])


# Points of a night. In dbt's SQL, relations are quoted, and a strategy is one text of several statements.
NIGHT = [
    # Between dropping a seed and filling it.
    {"sql": r'copy \S*"policy"'},
    # Inside a transaction of a history table: old rows are deleted, new ones not yet inserted.
    {"sql": r'delete from \S*"int_closed_windows"', "when": "between"},
    {"sql": r'update \S*"snap_account_attributes"', "when": "between"},
    # While the scorer streams.
    {"call": "nightbook.scoring.scorer:feature_digests"},
    # The night's partition: emptied and not filled; filled and committed.
    {"sql": r'delete from \S*"fct_account_scores"', "when": "between"},
    {"sql": r'delete from \S*"fct_account_scores"', "then": r"^\s*commit", "when": "after"},
]
# Close to those above, and eight seconds each. `EVERY_KILL_POINT=1 pytest ...` runs them too.
NIGHT_TOO = [
    {"sql": r'alter table \S*"int_run__dbt_tmp" rename'},
    {"sql": r'insert into \S*"account_inputs"', "when": "between"},
    {"sql": r'insert into \S*"account_inputs"', "then": r"^\s*commit"},
    {"sql": r'create table \S*"tonight_account_scores__dbt_tmp"', "when": "after"},
    {"sql": r'delete from \S*"fct_account_scores"', "then": r"^\s*commit"},
    {"sql": r'delete from \S*"fct_provisions"', "when": "during"},
    {"sql": r'delete from \S*"account_inputs"\s+where\s+\(', "when": "after"},
    {"sql": r'insert into \S*"run_log"', "then": r"^\s*commit"},
]
DBT = (
    "dbt.cli.main",
    "dbt.adapters.duckdb",
    "runner.commands",
    "nightbook.modelling.candidates",
    "nightbook.scoring.scorer",
)
# A night's writes, without the tests that may stop it.
WRITES = ("dbt", "--quiet", "build", "--selector", "nightly", "--exclude-resource-type", "test", "unit_test")


def test_a_night_killed_at_any_point_and_started_again(copy, small):
    """The last kill is in a backfill, between a run's record and its audit log entries. The backfill then continues."""
    night, later = "2026-05-31", "2026-06-30"
    backfill = ("backfill", "--from", night, "--to", later, "--with-champion", "account_pd=1,application_pd=1")
    with dying(Home(copy.path, registry=copy.registry, given={"NIGHTBOOK_AS_OF": night}), *DBT) as process:
        process.run("score")
        expected, of_dates = tables(copy), partitions(copy)
        entries = copy.query("select count(*) from audit.audit_chain")
        shutil.copy(small.path / "warehouse.duckdb", copy.path / "warehouse.duckdb")
        before = partitions(copy)
        assert before == {key: row for key, row in of_dates.items() if key[1] != night} != of_dates
        for point in [*NIGHT, *(NIGHT_TOO if os.environ.get("EVERY_KILL_POINT") else [])]:
            process.kill(*WRITES, point=point)
            found = partitions(copy)
            # Each partition is whole, or as it was.
            assert before.items() <= found.items() <= of_dates.items(), point
        # A fault: the partition is emptied in a separate transaction.
        process.kill(*WRITES, point={"sql": r'delete from \S*"fct_account_scores"', "when": "committed"})
        assert not found.items() <= partitions(copy).items()
        process.kill(*backfill, point={"sql": r'insert into \S*"run_log"', "when": "between"})
        said = process.run(*backfill)
        assert "`backfill` of" in said and "did not finish" in said
        assert f"{night} (1 of 2): scored by" in said and f"{later} (2 of 2): already scored" in said
        assert {name for name, row in tables(copy).items() if row != expected.get(name)} == set()
        assert leftovers(copy) == []
        assert copy.query(f"select outcome from audit.run_log where as_of_date = '{night}'") == [("succeeded",)]
        assert copy.query("select count(*) from audit.audit_chain") == entries
        assert "entered by a later run" not in process.run("verify-audit")


# All verdicts and versions are recorded, for a run that has no record itself.
WEEK = [{"sql": r'insert into \S*"version_log"', "then": r"^\s*commit", "when": "after"}]
# One candidate is logged and the other is not, as a weekly run adds to the registry's test below. Verdicts are given.
# One version is registered but not recorded.
WEEK_TOO = [
    {"call": "nightbook.registry.model_versions:log_candidate", "when": "after"},
    {"sql": r'insert into \S*"fct_gate_decisions"', "then": r"^\s*commit", "when": "after"},
    {"call": "nightbook.registry.model_versions:register", "when": "after"},
]


def test_a_training_killed_and_started_again(small, settle):
    # A lender that has never trained, with an empty registry.
    home = settle()
    landed_alone(small, home)
    shutil.copy(home.path / "warehouse.duckdb", home.path / "before.duckdb")
    with dying(home, *DBT, "small_models") as process:
        process.run("train")
        expected, logged = tables(home), registered(home)
        names = [name for (name,) in home.query("select distinct model_name from audit.version_log order by 1")]
        # What a run adds to the histories: nothing, if a killed run has added it already.
        del expected["intermediate.int_settled_payments"]
        shutil.copy(home.path / "before.duckdb", home.path / "warehouse.duckdb")
        (home.path / "mlflow.db").unlink()
        for point in [*(WEEK_TOO if os.environ.get("EVERY_KILL_POINT") else []), *WEEK]:
            process.kill("train", point=point)
        process.run("train")
        # In a home that has never scored.
        assert "Verified: " in process.run("verify-audit")
    found = tables(home)
    assert {name for name, row in expected.items() if row != found[name]} == set()
    assert registered(home) == logged and logged
    with at_home(home), warehouse.asking() as query:
        kept = Record.of(query)
        for name in kept.model_names:
            # The versions that it recorded before it was killed belong to the second run, and have its verdicts.
            assert [kept.held(name, version.model_version).version for version in kept.versions_of(name)] == [1]
    # With models of a few trees, the gate need not pass both.
    assert kept.model_names == names != []
    assert leftovers(home) == []


FEATURES = (FeatureSpec("utilization", 1), FeatureSpec("bureau_score", -1))
STORE = "mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore."
REGISTRY = "mlflow.store.model_registry.sqlalchemy_store:SqlAlchemyStore."

TRAINING = [
    # A new store: its tables half created; created but not in place.
    {"call": "mlflow.store.db.utils:_upgrade_db"},
    {"call": "mlflow.store.db.utils:_upgrade_db", "when": "during"},
    {"call": "pathlib:Path.replace"},
    # An MLflow run: an experiment without it, a run without parameters, a run without half of its files.
    {"call": STORE + "create_experiment", "when": "after"},
    {"call": STORE + "create_run", "when": "after"},
    {"call": STORE + "log_param", "nth": 2},
    {"call": "shutil:copyfileobj"},
    {"call": "shutil:copyfileobj", "nth": 2, "when": "after"},
    {"call": STORE + "create_logged_model", "when": "after"},
    {"call": "shutil:copy2", "nth": 2},
    {"call": STORE + "finalize_logged_model"},
    # While the earlier, partly logged run is deleted, and before this one is marked as finished.
    {"call": STORE + "update_run_info"},
    {"call": STORE + "update_run_info", "nth": 2},
    {"call": "nightbook.registry.model_versions:_files_at"},
    # The second model, when the first is there.
    {"call": STORE + "create_run", "when": "after"},
    {"call": STORE + "log_metric", "nth": 2},
    # Registered: a model without a version, one of the two, both.
    {"call": REGISTRY + "create_registered_model", "when": "after"},
    {"call": REGISTRY + "create_model_version"},
    {"call": REGISTRY + "create_model_version", "when": "after"},
    {"call": REGISTRY + "create_model_version", "when": "after"},
]
PROMOTION = [
    # The row exists without its entry; both exist but are not committed; both are committed, but the alias has not
    # moved.
    {"sql": r'insert into \S*"promotion_log"', "when": "between"},
    {"sql": r'insert into \S*"promotion_log"', "then": r"^\s*commit"},
    {"sql": r'insert into \S*"promotion_log"', "then": r"^\s*commit", "when": "after"},
    {"call": REGISTRY + "set_registered_model_alias"},
    {"call": REGISTRY + "set_registered_model_alias", "when": "after"},
]


def registered(home: Home) -> dict:
    """Everything in the registry except random ids and times."""
    client = mlflow.MlflowClient(f"sqlite:///{home.path / 'mlflow.db'}", f"sqlite:///{home.path / 'mlflow.db'}")
    told = {}
    models = {model.name: model for model in client.search_registered_models()}
    for experiment in client.search_experiments(filter_string="name != 'Default'"):
        name, model = experiment.name, models.get(experiment.name)
        runs = client.search_runs([experiment.experiment_id])
        told[name] = {
            "versions": [
                (version.version, version.run_id in {run.info.run_id for run in runs}, sorted(version.tags.items()))
                for version in client.search_model_versions(f"name = '{name}'")
            ],
            "runs": [
                (run.info.status, sorted(run.data.params.items()), sorted(run.data.metrics.items())) for run in runs
            ],
            "models": [str(one.status) for one in client.search_logged_models([experiment.experiment_id])],
            "files": [sorted(file.path for file in client.list_artifacts(run.info.run_id)) for run in runs],
            "aliases": model and model.aliases,
            "tags": model and model.tags,
        }
    assert set(models) <= set(told)
    # MLflow writes its own id of a model, and the time, into a file of the artifact.
    chance = {r"\d{4}-\d\d-\d\dT[\d:]+": "then", r"run-\d+": "run", r'("artifact_digest", ")[0-9a-f]+': r"\1"}
    said = json.dumps(told)
    for pattern, instead in chance.items():
        said = re.sub(pattern, instead, said)
    return json.loads(said)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> list[Path]:
    """Two candidates, each as a folder of two files."""
    folders = []
    for seed in (1, 2):
        generator = np.random.default_rng(seed)
        utilization, bureau = generator.gamma(2, 0.25, 1500), generator.normal(650, 60, 1500)
        share = np.arange(1500) % 20
        table = pa.table(
            {
                "entity_id": [f"A{row:05d}" for row in range(1500)],
                "customer_id": [f"C{row:05d}" for row in range(1500)],
                "as_of_date": pa.array([date(2024, 1, 31)] * 1500, pa.date32()),
                "split": np.where(share < 11, "train", np.where(share < 14, "validation", "holdout")).tolist(),
                "is_default": (generator.random(1500) < 1 / (1 + np.exp(2 - 2 * utilization))).astype(np.int32),
                "utilization": np.round(utilization, 6),
                "bureau_score": np.round(bureau, 6),
            }
        )
        candidate = training.train(table, FEATURES, model_name="account_pd", threads=1)
        folder = tmp_path_factory.mktemp("fitted")
        (folder / "model.ubj").write_bytes(candidate.booster_bytes)
        (folder / "metadata.json").write_text(json.dumps(training.metadata(candidate)))
        folders.append(folder)
    return folders


def test_the_registry_after_kills_is_that_of_undisturbed_commands(fitted, tmp_path):
    acts = [("train", str(fitted[0])), ("train", str(fitted[1]))]
    points = {0: TRAINING}
    homes = Home(tmp_path / "undisturbed"), Home(tmp_path / "killed")
    found = []
    for home in homes:
        home.path.mkdir()
        with dying(home, "mlflow.xgboost", "mlflow.store.tracking.sqlalchemy_store", "registry_acts") as process:
            for number, (name, *arguments) in enumerate(acts):
                if home is homes[1]:
                    for point in points.get(number, []):
                        process.kill(*arguments, call=f"registry_acts:{name}", point=point)
                process.run(*arguments, call=f"registry_acts:{name}")
        found.append(registered(home))
    undisturbed, killed = found
    assert [len(undisturbed[name]["versions"]) for name in ("account_pd", "application_pd")] == [2, 2]
    assert killed == undisturbed
    assert not list(homes[1].path.glob("mlflow.db.part*"))


def test_a_registration_that_was_killed_is_seen_by_who_forgets_it(fitted, tmp_path):
    home = Home(tmp_path)
    with dying(home, "mlflow.xgboost", "mlflow.store.tracking.sqlalchemy_store", "registry_acts") as process:
        process.kill(
            str(fitted[0]),
            call="registry_acts:train_forgetful",
            point={"call": REGISTRY + "create_model_version", "when": "after"},
        )
        process.run(str(fitted[0]), call="registry_acts:train_forgetful")
    found = registered(home)["account_pd"]
    assert len(found["versions"]) == len(found["runs"]) == 2


def test_promotions_killed_and_said_again_are_those_of_undisturbed_commands(small, demo, settle):
    home = Home(settle(small.path, store=demo[0].path).path)
    second_version(home, is_on_record=True)
    for name in ("warehouse.duckdb", "mlflow.db"):
        shutil.copy(home.path / name, home.path / f"before.{name}")

    def back() -> None:
        for name in ("warehouse.duckdb", "mlflow.db"):
            shutil.copy(home.path / f"before.{name}", home.path / name)

    def found() -> tuple:
        with at_home(home), warehouse.asking() as query:
            kept = Record.of(query)
            # Checks hashes, each row against its entry, and alias, tags and bytes against both.
            assert kept.champion("account_pd").version == kept.champion_version("account_pd")
        return [(move.action, move.model_version, move.previous_version) for move in kept.moves("account_pd")], len(
            kept.entries
        )

    names = ("--approver", "bob", "--change-request")
    acts = [
        ("approve", "account_pd", "--version", "2", *names, "CR-2"),
        ("rollback", "account_pd", *names, "CR-3"),
    ]
    with dying(home, *DBT, "runner.promotions", "registry_acts") as process:
        for act in acts:
            process.run(*act)
        undisturbed = found()
        assert undisturbed[0] == [("approve", 1, None), ("approve", 2, 1), ("rollback", 1, 2)]
        back()
        for act in acts:
            for point in PROMOTION:
                process.kill(*act, point=point)
            process.run(*act)
        assert found() == undisturbed
        ok(home.run("verify-audit"))
        back()
        # A night in between is told which command to repeat.
        process.kill(*acts[0], point=PROMOTION[2])
        assert f"run the command again: python orchestrate.py {acts[0][0]} account_pd" in refused(home.run("score"))
        # The fault: an interrupted promotion is not looked for, and is recorded twice.
        process.run("account_pd", 2, "bob", "CR-2", call="registry_acts:approve_forgetful")
        assert found()[0] == [("approve", 1, None), ("approve", 2, 1), ("approve", 2, 2)]
        back()
        # The fault: row and entry in two transactions.
        process.kill(*acts[0], point=PROMOTION[0] | {"when": "committed"})
        with pytest.raises(NightbookError, match="its row has no entry in the audit log"):
            found()
