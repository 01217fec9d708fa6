"""A build leaves what the whole cadence leaves, or nothing, however its nodes were selected."""

import contextlib
import io
import shutil

import duckdb
import pytest

from tests.python.dbt.conftest import Project
from tests.python.runs.conftest import Home, landed_alone, ok

STATE = "{state}"
# Refused selections: a part of a cadence, without its guards, or with incomplete rows.
REFUSED = {
    "a mart alone": ["build", "--select", "fct_account_scores"],
    "a training set alone": ["build", "--select", "training_set_account_pd"],
    "a view alone": ["build", "--select", "feat_account_behaviour"],
    "staging alone": ["build", "--select", "stg_applications"],
    "the run and what follows": ["build", "--select", "int_run+"],
    "a candidate and what follows": ["build", "--select", "candidates+"],
    "a mart and what it rests on": ["build", "--select", "+fct_account_scores"],
    "a monitor and what it rests on": ["build", "--select", "+fct_feature_psi"],
    "a night without a mart": ["build", "--select", "tag:nightly", "--exclude", "fct_provisions"],
    "a night without its scorer": ["build", "--select", "tag:nightly", "--exclude", "tonight_account_scores"],
    "a night without a test": ["build", "--select", "tag:nightly", "--exclude", "features_are_not_broken"],
    "a night without tests": ["build", "--select", "tag:nightly", "--exclude-resource-type", "test"],
    "a night without seeds": ["build", "--select", "tag:nightly", "--exclude", "resource_type:seed"],
    "models alone": ["build", "--select", "tag:nightly", "--resource-type", "model"],
    "a night by run, tests later": ["run", "--select", "tag:nightly"],
    "a training by run": ["run", "--select", "tag:weekly"],
    "a training without its training set": ["build", "--select", "tag:weekly", "--exclude", "training_set_account_pd"],
    "a training without its gate": ["build", "--select", "tag:weekly", "--exclude", "int_gate_verdicts"],
    "empty": ["build", "--select", "tag:nightly", "--empty"],
    "a sample": ["build", "--select", "tag:nightly", "--sample", "3 days"],
    "a mart, all else deferred": ["build", "--select", "fct_account_scores", "--defer", "--state", STATE],
    "a night that reads elsewhere": [
        *("build", "--selector", "nightly", "--exclude-resource-type", "unit_test"),
        *("--defer", "--favor-state", "--state", STATE),
    ],
    "what is modified": ["build", "--select", "state:modified+", "--state", STATE],
    "snapshots alone": ["snapshot"],
    "a night whose tests come late": ["build", "--select", "tag:nightly", "--use-fast-test-edges"],
    "a night of code that is elsewhere": ["build", "--select", "tag:nightly", "--target-path", STATE],
    "a night of code that is nowhere": ["--no-write-json", "build", "--select", "tag:nightly"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory, small) -> Project:
    """dbt in this process, with the manifest of other code to compare with."""
    made = Project(tmp_path_factory.mktemp("selections"))
    shutil.copytree(small.path / "target", made.home / "state", ignore=shutil.ignore_patterns("compiled", "run"))
    manifest = made.home / "state" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"checksum": "', '"checksum": "f'))
    return made


def left(home: Home) -> dict[str, tuple]:
    """What every table of a home holds, as a count and a digest."""
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        return {
            name: connection.execute(f"select count(*), bit_xor(hash(held)) from {name} as held").fetchone()
            for (name,) in tables
        }


def build(project: Project, home: Home, *arguments: str, **environment: str):
    """A dbt command on a home. Returns its result and what it printed."""
    said = io.StringIO()
    given = {"NIGHTBOOK_HOME": str(home.path), "NIGHTBOOK_ACTOR": "ada"} | environment
    given |= {"MLFLOW_TRACKING_URI": home.registry} if home.registry else {}
    arguments = tuple(one.replace(STATE, str(project.home / "state")) for one in arguments)
    with contextlib.redirect_stdout(said):
        result = project.invoke(*arguments, **given)
    return result, said.getvalue()


@pytest.fixture
def empty(small, tmp_path_factory) -> Home:
    """A home in which the small lender has landed and nothing was built."""
    home = Home(tmp_path_factory.mktemp("empty"), registry=small.registry)
    landed_alone(small, home)
    return home


@pytest.mark.parametrize("nights", ["scored", "never built"])
def test_a_part_of_a_cadence_is_refused_before_anything_is_written(project, copy, empty, nights):
    home = copy if nights == "scored" else empty
    before = left(home)
    for way, arguments in REFUSED.items():
        result, _ = build(project, home, *arguments)
        assert not result.success and result.exception is not None, way
        assert str(result.exception).count("Nothing was written") == 1, (way, result.exception)
        assert left(home) == before, way


def test_what_is_answered_for_may_leave_tests_out_and_nothing_else(project, copy):
    answered = {"NIGHTBOOK_OVERRIDE": "partial_run", "NIGHTBOOK_OVERRIDE_REASON": "looking at one mart"}
    before = left(copy)
    result, _ = build(project, copy, "build", "--select", "fct_account_scores", **answered)
    assert "from another run. Build both" in str(result.exception) and left(copy) == before


def test_training_learns_the_same_whatever_was_built_before_and_nothing_of_later(project, copy, empty):
    """The latest snapshot shows each account's day of default. A past cohort that sees it has seen the future."""
    tell = """
        update raw.loan_servicing as servicing
        set scheduled_payment = date_diff('day', date '1970-01-01', events.defaulted_on)
        from raw.default_events as events
        where
            servicing.account_id = events.account_id
            and servicing.snapshot_date = (select max(snapshot_date) from raw.loan_servicing)
    """
    answered = {"NIGHTBOOK_OVERRIDE": "*", "NIGHTBOOK_OVERRIDE_REASON": "planted"}
    known = {"NIGHTBOOK_KNOWN_AT": "2027-01-01 00:00:00"}
    found = {}
    for name, home in {"scored": copy, "never built": empty}.items():
        home.execute(tell)
        both = ("build", "--select", "+feat_accounts", "+training_set_account_pd")
        result, said = build(project, home, *both, "--exclude-resource-type", "unit_test", **answered, **known)
        assert result.success, said[-2000:]
        found[name] = home.query("select * from training.training_set_account_pd order by entity_id, as_of_date")
        seen = """
            select count(*)
            from training.int_account_outcomes as outcomes
            inner join {features} as features
                on outcomes.entity_id = features.account_id {and_date}
            inner join raw.default_events as events on outcomes.entity_id = events.account_id
            where features.scheduled_payment = date_diff('day', date '1970-01-01', events.defaulted_on)
        """
        of_cohorts = seen.format(
            features="features.feat_cohort_accounts", and_date="and outcomes.as_of_date = features.as_of_date"
        )
        assert home.query(of_cohorts) == [(0,)]
        # The fault: tonight's features beside past outcomes.
        assert home.query(seen.format(features="features.feat_accounts", and_date="")) != [(0,)]
    assert found["scored"] == found["never built"] != []


def test_a_night_that_broke_is_not_gone_on_with_but_scored_again(copy, tmp_path):
    """MLflow breaks a night. A retry would publish scores of a run without a record."""
    before = copy.partition()
    (tmp_path / "broken").write_text("no database")
    night = ("build", "--select", "tag:nightly")
    broken = copy.dbt(*night, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'broken'}")
    assert broken.returncode != 0
    log = copy.query("select run_id, outcome from audit.run_log order by ended_at")
    retried = copy.dbt("retry")
    assert retried.returncode != 0 and "Run the full command again. Nothing was written" in retried.stdout
    assert copy.query("select run_id, outcome from audit.run_log order by ended_at") == log
    ok(copy.dbt(*night))
    assert copy.partition() == before
    recorded = "select run_id from audit.run_log where outcome = 'succeeded'"
    assert copy.query(f"select count(*) from marts.fct_account_scores where run_id not in ({recorded})") == [(0,)]
    ok(copy.run("verify-audit"))


def test_a_clone_puts_nothing_in_the_place_of_what_stands(project, copy, tmp_path):
    """`dbt clone` runs no hook. From a state in another schema, it creates views and drops the tables for them."""
    told = (project.home / "state" / "manifest.json").read_text()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text(told.replace('"schema": "marts"', '"schema": "other"'))
    copy.execute("create schema other", "create table other.fct_provisions as from marts.fct_provisions where false")
    before = left(copy)
    result, _ = build(project, copy, "clone", "--full-refresh", "--state", str(tmp_path / "other"))
    assert not result.success and left(copy) == before
    assert all("`dbt clone` would replace" in one.message for one in result.result.results)


def test_a_full_refresh_leaves_the_past_of_every_history(project):
    histories = [node for node in project.manifest.nodes.values() if node.config.materialized == "incremental"]
    assert len(histories) > 10 and {node.config.full_refresh for node in histories} == {False}
