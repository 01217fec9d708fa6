"""The bootstrap on the rehearsal: it creates what is missing, and a second run changes nothing."""

import json
import urllib.request

import pytest

from tests.python.snowflake.bootstrap.conftest import dbt
from tests.rehearsal import running


@pytest.fixture(scope="module")
def empty(tmp_path_factory, home) -> dict[str, str]:
    """The environment of an administrator of an empty Snowflake account."""
    with running.account(tmp_path_factory.mktemp("account")) as environment:
        yield environment | {
            "NIGHTBOOK_HOME": str(home),
            "SNOWFLAKE_ROLE": "ACCOUNTADMIN",
            "MLFLOW_TRACKING_URI": "https://mlflow.lender.example",
        }


def bootstrap(environment: dict[str, str], arguments: str = "{}") -> str:
    done = dbt(environment, "run-operation", "bootstrap_snowflake", "--args", arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


def told(environment: dict[str, str], what: str) -> list[str]:
    """What the rehearsal server saw: statements that changed it, or query tags."""
    with urllib.request.urlopen(f"http://127.0.0.1:{environment['SNOWFLAKE_PORT']}/rehearsal/{what}") as answer:
        return json.loads(answer.read())


def test_what_is_missing_is_made_and_the_second_run_changes_nothing(empty):
    # Without masks first, so that something is missing when everything else is there.
    assert "steps were missing and are now done" in bootstrap(empty, "{masking: false}")
    without_masks = told(empty, "changes")
    assert not any("masking policy" in one for one in without_masks)

    # Two policies and four columns.
    assert ": 6 of " in bootstrap(empty)
    all_made = told(empty, "changes")
    assert len(all_made) == len(without_masks) + 6

    assert bootstrap(empty).endswith("steps; nothing was changed")
    assert told(empty, "changes") == all_made


def test_queries_are_tagged_with_run_and_node(empty, home):
    # Query tags need no bootstrap, and a bootstrap does not undo them.
    done = dbt(empty, "build", "--select", "policy", "score_bands", "--exclude-resource-type", "test", "unit_test")
    assert done.returncode == 0, done.stdout
    run = json.loads((home / "target" / "run_results.json").read_text())["metadata"]["invocation_id"]
    tags = [json.loads(tag) for tag in told(empty, "tags")]
    assert {(tag["run"], tag["node"]) for tag in tags} == {(run, "policy"), (run, "score_bands")}
