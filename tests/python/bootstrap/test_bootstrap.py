"""The bootstrap on the rehearsal's account: it makes what is missing, and a second time nothing."""

import json
import urllib.request

import pytest

from tests.python.bootstrap.conftest import dbt
from tests.rehearsal import running


@pytest.fixture(scope="module")
def empty(tmp_path_factory, home) -> dict[str, str]:
    """The environment of an administrator of an account that holds nothing."""
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


def changes(environment: dict[str, str]) -> list[str]:
    """Statements that have changed the account, as it saw them itself."""
    with urllib.request.urlopen(f"http://127.0.0.1:{environment['SNOWFLAKE_PORT']}/rehearsal/changes") as answer:
        return json.loads(answer.read())


def test_what_is_missing_is_made_and_the_second_run_changes_nothing(empty):
    # Without masks first, so that something is missing when all else is there.
    assert "steps were missing, and are made" in bootstrap(empty, "{masking: false}")
    without_masks = changes(empty)
    assert not any("masking policy" in one for one in without_masks)

    # Two policies, four columns.
    assert ": 6 of " in bootstrap(empty)
    all_made = changes(empty)
    assert len(all_made) == len(without_masks) + 6

    assert bootstrap(empty).endswith("steps; nothing was changed")
    assert changes(empty) == all_made
