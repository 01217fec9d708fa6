"""The audit trail behind a score: reproduced to the bit, explained in full, and guarded against every change."""

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import duckdb
import pytest
from nightbook.engine import warehouse
from nightbook.errors import NightbookError
from nightbook.registry import model_versions
from nightbook.trail import audit
from runner import dbt_build

from tests.python import recorded
from tests.python.copies import copy_store

from .conftest import ROOT, Home, at_home, ok, once, refused

NIGHTS = ("2026-04-30", "2026-05-31", "2026-06-30")
LAST = NIGHTS[-1]

# Another model under the same name: the champion without its last trees.
SECOND_VERSION = """
import duckdb
import json
import xgboost
from hashlib import sha256
from nightbook.engine import home
from nightbook.registry import model_versions
from tests.python import recorded
first = model_versions.load("account_pd", 1)
booster = xgboost.Booster()
booster.load_model(bytearray(first.booster_bytes))
fewer = bytes(booster[: booster.num_boosted_rounds() // 2].save_raw("ubj"))
metadata = first.metadata | {"digest": sha256(fewer).hexdigest()}
tags = {"maker": "ann", "run_id": "by-hand", "git_commit": "none"}
run = model_versions.log_candidate("account_pd", fewer, metadata, tags=tags, metrics={})
model_versions.register("account_pd", run, maker="ann", run_id="by-hand")
with duckdb.connect(str(home.warehouse())) as connection:
    recorded.put_on_record(connection, "account_pd", 2)
"""

CORRECTION = """
    insert into raw.loan_servicing
    select * replace (balance + 9 as balance, days_past_due + 3 as days_past_due, 'correction' as _load_id,
                      cast(now() at time zone 'utc' as timestamp) as _loaded_at)
    from raw.loan_servicing where snapshot_date = '2026-01-31' and hash(account_id) % 10 = 0
    qualify row_number() over (partition by account_id order by _loaded_at desc) = 1
"""


@pytest.fixture(scope="session")
def trail(small, demo, tmp_path_factory) -> Home:
    """Three nights, then a correction of a month that all of them depend on, and another champion."""

    def make(folder):
        home = Home(folder)
        shutil.copy(small.path / "warehouse.duckdb", folder / "warehouse.duckdb")
        copy_store(demo[0].path, folder)
        ok(home.run("score", "--as-of", NIGHTS[1], NIGHTBOOK_THREADS="1"))
        ok(home.run("score", "--as-of", NIGHTS[0]))
        home.execute(CORRECTION)
        environment = home.environment(PYTHONPATH=f"{ROOT / 'python_models'}:{ROOT}")
        ok(subprocess.run([sys.executable, "-c", SECOND_VERSION], env=environment, capture_output=True, text=True))
        ok(home.run("approve", "account_pd", "--version", "2", "--approver", "bob", "--change-request", "CR-2"))

    return Home(once(tmp_path_factory, "trail", make))


@pytest.fixture
def changed(trail, settle) -> Home:
    """A copy of the trail that a test may tamper with."""
    return settle(trail.path, store=trail.path)


def account_of(home: Home, night: str = LAST) -> str:
    return home.query(f"select min(account_id) from marts.fct_account_scores where as_of_date = '{night}'")[0][0]


def test_every_night_is_derived_anew_to_the_bit_whatever_came_after(trail):
    versions = dict(trail.query("select distinct as_of_date::varchar, model_version from marts.fct_account_scores"))
    assert versions == dict.fromkeys(NIGHTS, 1)
    assert trail.query("select model_version from audit.fct_model_versions where is_champion order by model_name")[
        0
    ] == (2,)
    for night in NIGHTS:
        done = trail.run("reproduce", "--as-of", night, "--sample", "1000", "--json", NIGHTBOOK_THREADS="1")
        found = json.loads(ok(done).stdout)
        assert found["is_equal"] and not any(found["different"].values()), night
        assert found["compared"]["marts.fct_account_scores"] == found["compared"]["scoring.account_inputs"] == 1000


def test_a_whole_night_is_derived_anew(trail):
    scored = trail.query(f"select count(*) from marts.fct_account_scores where as_of_date = '{NIGHTS[1]}'")[0][0]
    said = ok(trail.run("reproduce", "--as-of", NIGHTS[1])).stdout
    assert scored > 1000 and said.count(f"{scored:,}") == 4


def test_a_changed_score_and_a_changed_input_are_named(changed):
    account = account_of(changed)
    of_score = f"where account_id = '{account}' and as_of_date = '{LAST}'"
    changed.execute(f"update scoring.account_inputs set bureau_score = 999 {of_score}")
    assert "feature_digest is" in refused(changed.run("explain", "--account", account, "--as-of", LAST))
    changed.execute(f"update marts.fct_account_scores set pd = pd + 1e-12 {of_score}")
    assert f"fct_account_scores of {LAST}: holds other scores" in refused(changed.run("verify-audit"))
    done = changed.run("reproduce", "--as-of", LAST, "--account", account)
    assert done.returncode == 1 and f"marts.fct_account_scores, {account}: pd is" in done.stderr
    assert f"scoring.account_inputs, {account}: bureau_score is 999" in done.stdout


def test_a_row_that_vanished_from_under_a_night_is_told(changed):
    changed.execute("delete from raw.payments where paid_on between '2026-05-01' and '2026-05-31'")
    done = changed.run("reproduce", "--as-of", LAST, "--sample", "50")
    assert done.returncode == 1 and "not reproduced" in done.stderr
    assert "raw.payments" in done.stdout and "in the run" in done.stdout


def test_the_trail_is_as_recorded(trail):
    said = ok(trail.run("verify-audit")).stdout
    assert "Verified: " in said and "3 model versions" in said and "note: " not in said
    published = {
        row[0].split(" ")[0] for row in trail.query("select subject from audit.audit_chain where kind = 'partition'")
    }
    assert published > {
        "fct_account_scores",
        "fct_provisions",
        "underwriting_queue",
        "fct_input_checks",
        "rpt_regulatory_features",
    }
    assert published > {"fct_feature_psi", "fct_calibration", "fairness_of_nights", "lineage_nightly"}
    kinds = {row[0] for row in trail.query("select kind from audit.fct_audit_log")}
    assert kinds == {"run", "model_version", "promotion", "gate_decision", "partition"}
    [(head,)] = trail.query("select entry_hash from audit.fct_audit_log order by sequence desc limit 1")
    assert head in said
    ok(trail.run("verify-audit", "--head", head))


@pytest.fixture(scope="session")
def audit_sql(trail) -> audit.Sql:
    """SQL that `verify-audit` compiles, compiled only once because that needs a dbt run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTBOOK_HOME", str(trail.path))
        patch.chdir(ROOT)
        return audit.Sql(**dbt_build.compiled(*audit.Sql._fields))


def verified(connection, sql: audit.Sql) -> str:
    """The error of `verify-audit` for a warehouse. Empty if it is as recorded."""
    try:
        audit.verify(connection, sql)
    except NightbookError as error:
        return str(error)
    return ""


RENUMBER = "update audit.audit_chain set sequence = sequence - 1 where sequence > 5"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (["update audit.audit_chain set payload = replace(payload, 'demo-approver', 'x') where kind = 'promotion'"],
         "promotion account_pd promotion 1): was changed"),
        (["delete from audit.audit_chain where sequence = 5"], "expected entry 5 here"),
        (["delete from audit.audit_chain where sequence = 5", RENUMBER], "entry 5 "),
        (["update audit.audit_chain set sequence = 6 - sequence where sequence in (2, 4)"], "entry 2 "),
        (["update audit.audit_chain set sequence = sequence + 1 where sequence >= 5",
          "insert into audit.audit_chain select * replace (5 as sequence) from audit.audit_chain where sequence = 3"],
         "entry 5 "),
        (["update audit.run_log set actor = 'nobody' where as_of_date = '2026-05-31'"], 'actor is "nobody"'),
        (["delete from audit.run_log where as_of_date = '2026-05-31'"], "its row is missing"),
        (["insert into audit.run_log select * replace ('R9' as run_id) from audit.run_log limit 1"],
         "lacks run R9"),
        (["delete from marts.fct_account_scores where as_of_date = '2026-05-31'"], "2026-05-31: the scores of run"),
        (["update marts.fct_account_scores set run_id = 'R9' where as_of_date = '2026-05-31'"], "the scores of run"),
        (["insert into marts.fct_account_scores select * replace ('R9' as run_id) from marts.fct_account_scores"
          " limit 1"],
         "run R9, which is not in the audit log"),
        (["update audit.promotion_log set approver = 'nobody' where model_version = 2"], "approver"),
        (["insert into audit.promotion_log select * replace (9 as sequence) from audit.promotion_log limit 1"],
         "promotion 9: its row has no entry in the audit log"),
        (["update audit.version_log set maker = 'nobody' where model_version = 2"], 'maker is "nobody"'),
        (["update training.fct_gate_decisions set candidate_value = candidate_value + 1e-10 where candidate_value > 0"],
         "candidate_value is "),
        # Whoever can compute a hash can append a second entry of a fact. A fact is entered only once.
        (["insert into audit.audit_chain select * replace ("
          "(select max(sequence) + 1 from audit.audit_chain) as sequence,"
          " (select max_by(entry_hash, sequence) from audit.audit_chain) as previous_hash,"
          " sha256(concat_ws(chr(10), (select max_by(entry_hash, sequence) from audit.audit_chain),"
          " (select max(sequence) + 1 from audit.audit_chain), kind, subject,"
          " strftime(recorded_at, '%Y-%m-%d %H:%M:%S'), run_id, payload)) as entry_hash)"
          " from audit.audit_chain where sequence = 2"],
         "was already entered, as entry 2"),
        # The check does not read the view of that name.
        (["create table audit.kept as from audit.audit_facts", "drop view audit.audit_facts",
          "create view audit.audit_facts as from audit.kept", "update audit.run_log set actor = 'nobody'"],
         'actor is "nobody"'),
        (["insert into audit.run_log select * from audit.run_log limit 1"], "has more than one row"),
    ],
)  # fmt: skip
def test_no_change_of_the_trail_goes_unnoticed(changed, audit_sql, monkeypatch, fault, said):
    changed.execute(*fault)
    monkeypatch.setenv("NIGHTBOOK_HOME", str(changed.path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with warehouse.reading() as connection:
        assert said in verified(connection, audit_sql)


OF_LAST = f"where as_of_date = '{LAST}'"
OF_ONE = f"{OF_LAST} and account_id = (select min(account_id) from marts.fct_account_scores {OF_LAST})"
LIGHT = f"""
    insert into monitoring.fct_calibration by name
    select 'account_pd' as model_name, as_of_date as cohort_date, 'all' as risk_grade, as_of_date, 1 as case_count,
        0 as default_count, 'red' as traffic_light, model_version, run_id
    from marts.fct_account_scores {OF_LAST} limit 1
"""
HIDDEN = """
    create table audit.kept as from marts.fct_provisions;
    drop table marts.fct_provisions;
    create view marts.fct_provisions as select * replace (
        case when current_query() like '%row_digest%' then expected_loss else 0 end as expected_loss
    ) from audit.kept
"""
VIEW = """
    create table marts.kept as from marts.rpt_regulatory_features;
    update marts.kept set {0};
    drop view marts.rpt_regulatory_features;
    create view marts.rpt_regulatory_features as from marts.kept
"""
OF_FIRST_RUN = "select run_id from audit.run_log order by ended_at limit 1"
SHA256 = "create macro main.sha256(x) as case when x = 'planted' then 'planted' else system.main.sha256(x) end"
# Relation that is named -> changes of published rows by hand.
PUBLISHED = {
    "fct_provisions": [
        f"update marts.fct_provisions set expected_loss = 0 {OF_LAST}",
        "update marts.fct_provisions set pd = pd + 1e-16 where as_of_date = '2026-05-31' and pd < 0.01",
        f"delete from marts.fct_provisions {OF_ONE}",
        f"insert into marts.fct_provisions select * replace ('A' as account_id) from marts.fct_provisions {OF_ONE}",
        "insert into marts.fct_provisions select * replace ('R9' as run_id) from marts.fct_provisions limit 1",
        # A second set of rows under the name of an earlier run.
        f"insert into marts.fct_provisions select * replace (({OF_FIRST_RUN}) as run_id) from marts.fct_provisions"
        f" {OF_LAST}",
        "delete from marts.fct_provisions",
        # A view in the table's place that depends on the reader, and the same bytes read as another type.
        HIDDEN,
        "alter table marts.fct_provisions alter pd type bigint using cast(cast(pd as bit) as bigint)",
    ],
    "fct_account_scores": [
        "alter table marts.fct_account_scores alter pd type varchar",
        "alter table marts.fct_account_scores add column final_pd double;"
        f" update marts.fct_account_scores set final_pd = 0.5 {OF_LAST}",
    ],
    "sha256": [SHA256],
    # A function that hides itself and the other.
    "duckdb_functions": [
        f"{SHA256}; create macro main.duckdb_functions() as table select 'a' as schema_name, 'b' as function_name,"
        " true as internal where false"
    ],
    "fct_promotions": [
        "create or replace view audit.fct_promotions as"
        " select * replace ('mallory' as approver) from audit.promotion_log"
    ],
    "fct_model_versions": ["create or replace view audit.fct_model_versions as select * from audit.version_log"],
    "fct_score_partitions": [
        "create or replace view marts.fct_score_partitions as select 'fct_account_scores' as relation_name"
    ],
    "underwriting_queue": [
        "delete from marts.underwriting_queue where rank = 1",
        "delete from marts.underwriting_queue",
        "update marts.underwriting_queue set reasons = 'None' where rank = 1",
    ],
    "fct_application_contributions": [
        "update marts.fct_application_contributions set contribution = -contribution",
        f"update marts.fct_application_contributions set reason_text = 'Other' {OF_LAST} and reason_text is not null",
    ],
    "fct_application_scores": [f"update marts.fct_application_scores set reason_1 = 'Other' {OF_LAST}"],
    "fct_input_checks": [
        "update inputs.fct_input_checks set status = 'ok' where status != 'ok'",
        "update inputs.fct_input_checks set found = found + 1 where as_of_date = '2026-04-30'",
        "insert into inputs.fct_input_checks select * replace ('R9' as run_id) from inputs.fct_input_checks limit 1",
    ],
    "fct_feature_psi": [
        f"update monitoring.fct_feature_psi set status = 'alert' {OF_LAST} and feature = 'dpd_current'"
    ],
    "fct_feature_shares": [f"update monitoring.fct_feature_shares set value = 0 {OF_LAST}"],
    "fct_score_drift": [f"update monitoring.fct_score_drift set psi = 0 {OF_LAST}"],
    "fct_grade_migration": [f"delete from monitoring.fct_grade_migration {OF_LAST}"],
    "fct_model_performance": ["update monitoring.fct_model_performance set status = 'other'"],
    # No cohort of such a small home has matured, so the night entered no traffic light.
    "fct_calibration": [LIGHT],
    "fairness_of_nights": [f"update fairness.fairness_of_nights set value = 2 {OF_LAST}"],
    "lineage_nightly": ["update audit.lineage_nightly set from_column = 'other' where from_column = 'balance'"],
    "rpt_regulatory_features": [
        # An input of the model, digits beyond the model's precision, a column that it does not read, a row.
        f"update scoring.account_inputs set bureau_score = coalesce(bureau_score, 0) + 1 {OF_ONE}",
        f"update scoring.account_inputs set balance_current = balance_current + 1e-9 {OF_ONE}",
        f"update scoring.account_inputs set months_observed_24m = months_observed_24m + 1 {OF_ONE}",
        f"delete from scoring.account_inputs {OF_ONE}",
        VIEW.format("dpd_current = 7"),
        VIEW.format("model_version = 2"),
    ],
    # Replaced views, and a column that would stand for the database in a view's text.
    "fct_lineage_edges": ["create or replace view audit.fct_lineage_edges as select 'x' as run_id"],
    "run_log: column warehouse": ["alter table audit.run_log add column warehouse struct(actor varchar)"],
    "fct_fairness": ["create or replace view fairness.fct_fairness as from fairness.fairness_of_nights limit 1"],
    "fct_runs": ["create or replace view audit.fct_runs as select * replace ('x' as actor) from audit.run_log"],
}


def test_no_change_of_what_is_published_goes_unnoticed(changed, audit_sql, monkeypatch):
    """One copy for all changes, because each is rolled back."""
    monkeypatch.setenv("NIGHTBOOK_HOME", str(changed.path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    unnoticed = []
    with duckdb.connect(str(changed.path / "warehouse.duckdb")) as connection:
        assert verified(connection, audit_sql) == ""
        for relation, change in ((name, one) for name, changes in PUBLISHED.items() for one in changes):
            connection.begin()
            connection.execute(change)
            said = verified(connection, audit_sql)
            connection.rollback()
            if relation not in said:
                unnoticed.append((relation, change, said))
        assert verified(connection, audit_sql) == ""
    assert unnoticed == []


def test_a_column_that_is_computed_when_it_is_read_is_named(changed, audit_sql, monkeypatch):
    """It shows the digest what was written, and every other reader something else."""
    monkeypatch.setenv("NIGHTBOOK_HOME", str(changed.path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    [(made,)] = changed.query("select sql from duckdb_tables() where table_name = 'fct_provisions'")
    computed = (
        "lgd DOUBLE GENERATED ALWAYS AS (CASE WHEN current_query() LIKE '%row_digest%' THEN kept_lgd ELSE 0.01 END)"
    )
    columns = [name for (name,) in changed.query("select column_name from (describe marts.fct_provisions)")]
    changed.execute(
        "create table main.kept as from marts.fct_provisions",
        "drop table marts.fct_provisions",
        made.replace("lgd DOUBLE", f"{computed}, kept_lgd DOUBLE"),
        f"insert into marts.fct_provisions select {', '.join(columns)} from main.kept",
        "drop table main.kept",
    )
    with warehouse.reading() as connection:
        assert "marts.fct_provisions: column lgd is computed when it is read" in verified(connection, audit_sql)


def test_rows_come_in_any_order(changed, audit_sql, monkeypatch):
    monkeypatch.setenv("NIGHTBOOK_HOME", str(changed.path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    changed.execute(
        "create table marts.kept as from marts.fct_provisions order by hash(account_id)",
        "delete from marts.fct_provisions",
        "insert into marts.fct_provisions from marts.kept",
        # A column that a later version of the project adds, and that was not written then.
        "alter table marts.fct_provisions add column later double",
    )
    with warehouse.reading() as connection:
        assert verified(connection, audit_sql) == ""
        # As on a large book: each relation separately, one night at a time.
        monkeypatch.setattr(audit, "_ROWS_AT_A_TIME", 100)
        assert verified(connection, audit_sql) == ""


def test_an_audit_log_that_was_emptied_or_cut_stops_all_that_writes(changed):
    """Before anything is written. The copy is repaired between the cases."""
    file = changed.path / "warehouse.duckdb"
    kept = file.read_bytes()
    last_run = "(select max(sequence) from audit.audit_chain where kind = 'run')"
    cases = {
        "it was emptied": ["delete from audit.audit_chain"],
        "audit.promotion_log has rows: it was emptied": ["delete from audit.audit_chain", "delete from audit.run_log"],
        "marts.fct_account_scores has rows: it was emptied": [
            "delete from audit.audit_chain", "delete from audit.run_log", "delete from audit.promotion_log",
            "drop view audit.fct_promotions cascade",
        ],
        "The log was cut short": [f"delete from audit.audit_chain where sequence >= {last_run}"],
        "expected entry 3 here": ["delete from audit.audit_chain where sequence = 3"],
    }  # fmt: skip
    for said, fault in cases.items():
        file.write_bytes(kept)
        changed.execute(*fault)
        before = file.read_bytes()
        assert said in refused(changed.run("score")), said
        assert file.read_bytes() == before, said
        if "has rows" in said:
            told = changed.dbt("build", "--select", "tag:nightly").stdout
            assert said in " ".join(told.split())
            assert changed.query("select count(*) from audit.audit_chain") == [(0,)]
    file.write_bytes(kept)
    changed.execute("drop table audit.audit_chain")
    for command in (
        ("approve", "account_pd", "--version", "1", "--approver", "bob", "--change-request", "CR-3"),
        ("rollback", "account_pd", "--approver", "bob", "--change-request", "CR-3"),
        ("train",),
        ("backfill", "--from", NIGHTS[0], "--to", NIGHTS[0], "--with-champion", "2"),
        ("verify-audit",),
    ):
        assert "it was emptied" in refused(changed.run(*command)), command


def test_a_log_cut_short_is_told_by_the_hash_that_was_noted(changed):
    [(head,)] = changed.query("select entry_hash from audit.fct_audit_log order by sequence desc limit 1")
    [(last,)] = changed.query("select max(sequence) from audit.audit_chain")
    changed.execute(f"delete from audit.audit_chain where sequence = {last}")
    assert "has no entry with the hash" in refused(changed.run("verify-audit", "--head", head))


def test_a_changed_byte_of_an_artifact_is_named_and_code_in_one_is_not_run(changed):
    # The first command points the copied registry at the copied artifacts.
    ok(changed.run("verify-audit"))
    with sqlite3.connect(changed.path / "mlflow.db") as store:
        found = store.execute(
            "select storage_location from model_versions where name = 'account_pd' order by version"
        ).fetchall()
    first, second = (Path(location.removeprefix("file://")) for (location,) in found)
    model_file = second / "model.ubj"
    before = model_file.read_bytes()
    content = bytearray(before)
    content[len(content) // 2] ^= 1
    model_file.write_bytes(content)
    line = refused(changed.run("verify-audit"))
    assert "account_pd version 2" in line and "SHA-256" in line
    model_file.write_bytes(before)
    ran = changed.path / "ran"
    for folder in (first, second):
        described = (folder / "MLmodel").read_text().replace("loader_module: mlflow.xgboost", "loader_module: planted")
        (folder / "MLmodel").write_text(
            described.replace("  python_function:\n", "  python_function:\n    code: code\n")
        )
        (folder / "code").mkdir()
        (folder / "code" / "planted.py").write_text(
            "import mlflow.xgboost\n"
            f"def _load_pyfunc(path):\n    open({str(ran)!r}, 'w')\n    return mlflow.xgboost._load_pyfunc(path)\n"
        )
    scores_before = scores(changed)
    names = ("--approver", "bob", "--change-request", "CR-3")
    for version, command in (
        (1, ("verify-audit",)),
        (2, ("score",)),
        (2, ("explain", "--model", "account_pd", "--version", "2")),
        (1, ("explain", "--account", account_of(changed), "--as-of", LAST)),
        (1, ("approve", "account_pd", "--version", "1", *names)),
        (1, ("rollback", "account_pd", *names)),
    ):
        line = refused(changed.run(*command))
        assert f"account_pd version {version}: a file of its artifact was changed" in line, (command, line)
    assert scores(changed) == scores_before and not ran.exists()
    # Without the check of docs/other_clients.md, MLflow's own client runs it.
    load = "import mlflow; mlflow.pyfunc.load_model('models:/account_pd@champion')"
    environment = changed.environment(MLFLOW_TRACKING_URI=f"sqlite:///{changed.path / 'mlflow.db'}")
    ok(subprocess.run([sys.executable, "-c", load], env=environment, capture_output=True, text=True, cwd=changed.path))
    assert ran.exists()


def test_a_score_is_told_in_full(trail):
    account = account_of(trail)
    told = json.loads(ok(trail.run("explain", "--account", account, "--as-of", LAST, "--json")).stdout)
    assert told["model"]["approver"] == "demo-approver" and told["model"]["maker"] == "demo-modeller"
    assert told["model"]["was_champion"] and told["model"]["model_version"] == 1
    assert abs(told["sum_of_contributions"] - told["margin"]) < 1e-4
    assert len(told["inputs"]) > 140
    assert all(row["defined_in"]["files"] and row["description"] for row in told["inputs"])
    servicing = told["raw"]["loan_servicing"]
    assert {row["account_id"] for row in servicing if row["snapshot_date"] != LAST} == {account}
    assert all(row["_load_id"] for row in servicing)
    assert {row["account_id"] for row in told["raw"]["payments"]} <= {account}
    said = ok(trail.run("explain", "--account", account, "--as-of", LAST)).stdout
    assert account in said and "demo-approver" in said and "loan_servicing" in said


def test_an_application_is_told_in_full(trail):
    [(application,)] = trail.query(
        f"select min(application_id) from marts.fct_application_scores where as_of_date = '{LAST}'"
    )
    told = json.loads(ok(trail.run("explain", "--application", application, "--as-of", LAST, "--json")).stdout)
    stored = dict(
        trail.query(
            "select feature, contribution from marts.fct_application_contributions"
            f" where application_id = '{application}' and as_of_date = '{LAST}'"
        )
    )
    assert {row["feature"]: row["contribution"] for row in told["inputs"]} == {
        name: value for name, value in stored.items() if name != "(base value)"
    }
    assert told["base_value"] == stored["(base value)"]
    assert all(row["defined_in"] for row in told["inputs"])


def test_the_evidence_is_the_same_bytes_each_time(trail, tmp_path):
    account = account_of(trail)
    asked = ("explain", "--account", account, "--as-of", LAST)
    one, two = (tmp_path / name for name in ("one.zip", "two.zip"))
    said = ok(trail.run(*asked, "--evidence", str(one))).stdout
    both = ok(trail.run(*asked, "--evidence", str(two), "--json"))
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in (one, two)}
    assert digests == {said.split()[-1]} == {both.stderr.split()[-1]}
    assert json.loads(both.stdout)["key"] == account
    with zipfile.ZipFile(tmp_path / "one.zip") as pack:
        page = pack.read("explanation.html").decode()
        sums = pack.read("SHA256SUMS").decode()
        assert hashlib.sha256(page.encode()).hexdigest() in sums
        assert json.loads(pack.read("explanation.json"))["key"] == account
    assert "<svg" in page and account in page and "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explain", "--account", "A0", "--as-of", LAST), "no account A0 has ever landed"),
        (
            ("explain", "--account", "A0", "--as-of", "2020-01-01"),
            "the night of 2020-01-01 was never scored; scored nights: 3",
        ),
        (("reproduce", "--as-of", "2020-01-01"), "from 2026-04-30 to 2026-06-30"),
        (("reproduce", "--as-of", LAST, "--application", "P0"), "no application P0"),
        (("backfill", "--from", "2026-06-01", "--to", "2026-06-30"), "had no champion on 2026-06-30"),
        (("backfill", "--from", "2026-06-30", "--to", "2026-06-01"), "swap them"),
        (("backfill", "--from", "2026-06-02", "--to", "2026-06-03"), "no snapshot from 2026-06-02"),
        (("backfill", "--from", "2026-06-01", "--to", "2026-06-30", "--with-champion", "9"), "has no version 9"),
    ],
)
def test_what_cannot_be_had_is_said_in_a_line(trail, arguments, said):
    assert said in refused(trail.run(*arguments))


def test_a_night_whose_code_is_absent_says_so(changed):
    of_night = f"where as_of_date = '{LAST}'"
    changed.execute(f"update audit.run_log set library_digest = 'x', is_dirty = true {of_night}")
    assert "changes that are in no commit" in refused(changed.run("reproduce", "--as-of", LAST, "--sample", "5"))
    changed.execute(f"update audit.run_log set is_dirty = false, git_commit = '{'0' * 40}' {of_night}")
    assert "not in this clone" in refused(changed.run("reproduce", "--as-of", LAST, "--sample", "5"))


def scores(home: Home) -> list[tuple]:
    return home.query("select * exclude (run_id, scored_at) from marts.fct_account_scores order by all")


def test_a_backfill_killed_and_started_again_is_one_run_once(changed):
    versions = "account_pd=2,application_pd=1"
    # The correction of January changes when accounts were last late, on which the score depends most.
    arguments = ("backfill", "--from", "2026-02-01", "--to", "2026-04-30", "--with-champion", versions)
    arguments += ("--override", "drift", "--reason", "January was corrected")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "orchestrate.py"), *arguments],
        env=changed.environment(), cwd=changed.path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    first = process.stdout.readline()
    time.sleep(4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.startswith("2026-02-28 (1 of 3): scored")
    said = ok(changed.run(*arguments)).stdout.splitlines()
    assert "did not finish" in said[0]
    assert said[1] == "2026-02-28 (1 of 3): already scored" and "2026-04-30 (3 of 3): scored" in said[3]
    interrupted = scores(changed)
    again = ok(changed.run(*arguments)).stdout.splitlines()
    assert [line.endswith("already scored") for line in again] == [True] * 3
    changed.execute("delete from marts.fct_account_scores where as_of_date < '2026-05-01'")
    ok(changed.run(*arguments))
    assert scores(changed) == interrupted
    ok(changed.run("verify-audit"))


def test_the_same_data_train_the_same_model_and_a_changed_row_another(changed):
    part = {
        "NIGHTBOOK_OVERRIDE": "partial_run",
        "NIGHTBOOK_OVERRIDE_REASON": "its rows are looked at, its tests are not",
    }
    trained = []
    for fault in (None, None, "update raw.customers set annual_income = annual_income + 100 where customer_id = '{}'"):
        if fault:
            [(customer,)] = changed.query(
                "select min(customer_id) from training.training_set_account_pd where split = 'train'"
                " and customer_income is not null"
            )
            changed.execute(fault.format(customer))
        ok(changed.dbt("build", "--select", "+candidates", "--exclude-resource-type", "test", "unit_test", **part))
        [row] = changed.query(
            "select model_digest, data_digest, mlflow_run_id from training.candidates where model_name = 'account_pd'"
        )
        trained.append(row)
        with at_home(changed):
            made = model_versions.register("account_pd", row[2], maker="a", run_id="r")["model_version"]
            if (made,) not in changed.query(
                "select model_version from audit.version_log where model_name = 'account_pd'"
            ):
                with duckdb.connect(str(changed.path / "warehouse.duckdb")) as connection:
                    recorded.put_on_record(connection, "account_pd", made, run_id=f"r{made}")
    assert trained[0][:2] == trained[1][:2] and trained[2][1] != trained[0][1]
    told = json.loads(
        ok(changed.run("explain", "--model", "account_pd", "--version", "4", "--against", "3", "--json")).stdout
    )
    differing = told["against"]["data_that_differs"]
    assert "customer_income" in differing and all("income" in name for name in differing)
    assert {"data_digest", "model_digest"} >= set(told["against"]["differs_in"]) >= {"data_digest"}
    assert told["row_order"] == ["entity_id", "as_of_date"]


def test_a_run_that_was_put_in_stops_the_next_one(changed):
    """Run log and audit log are written in one transaction, so no kill leaves a run in only one."""
    changed.execute("insert into audit.run_log select * replace ('R9' as run_id) from audit.run_log limit 1")
    assert "lacks run R9" in refused(changed.run("score"))


def test_a_verdict_that_was_put_in_is_entered_by_no_later_run(changed):
    """It waits for its own run, which is not recorded. The next run must not enter it."""
    changed.execute(
        "insert into training.fct_gate_decisions select * replace ('R9' as run_id, 'made_up' as rule)"
        " from training.fct_gate_decisions where model_name = 'account_pd' limit 1",
    )
    ok(changed.run("score"))
    said = ok(changed.run("verify-audit")).stdout
    assert "R9 made_up: its row has no entry in the audit log: its training was interrupted" in said
    assert said.count("note: ") == 1
