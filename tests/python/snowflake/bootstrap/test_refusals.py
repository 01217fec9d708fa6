"""Every fault of a connection or a Snowflake account ends as one line that says what to do.

The connector and dbt-snowflake are real; the account is the rehearsal's.
"""

import os

import pytest
from nightbook.engine import messages, snowflake_connection
from nightbook.errors import NightbookError

from tests.python.snowflake.bootstrap.conftest import ROOT, dbt, write_key
from tests.rehearsal import running


@pytest.fixture(scope="module")
def ready(tmp_path_factory, home) -> dict[str, str]:
    """The environment of the pipeline in a bootstrapped Snowflake account."""
    with running.account(tmp_path_factory.mktemp("account")) as environment:
        environment |= {"NIGHTBOOK_HOME": str(home), "MLFLOW_TRACKING_URI": "https://mlflow.lender.example"}
        done = dbt(environment | {"SNOWFLAKE_ROLE": "ACCOUNTADMIN"}, "run-operation", "bootstrap_snowflake")
        assert done.returncode == 0, done.stdout + done.stderr
        yield environment


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """Values that a case may use for its variables."""
    (tmp_path / "no.pem").write_text("no key\n")
    return {
        "nowhere": "/nowhere/key.p8",
        "no_pem": str(tmp_path / "no.pem"),
        "other": str(write_key(tmp_path / "k.p8")),
    }


# Variables that are changed or removed, and the error line: what is wrong, what to do.
_CONNECTIONS = {
    "no account": ({"SNOWFLAKE_ACCOUNT": None}, "SNOWFLAKE_ACCOUNT is not set"),
    "no user": ({"SNOWFLAKE_USER": None}, "SNOWFLAKE_USER is not set"),
    "no credential": ({"SNOWFLAKE_PRIVATE_KEY_PATH": None}, "SNOWFLAKE_PRIVATE_KEY_PATH is not set"),
    "no token": ({"SNOWFLAKE_AUTHENTICATOR": "oauth"}, "SNOWFLAKE_TOKEN is not set"),
    "no key there": ({"SNOWFLAKE_PRIVATE_KEY_PATH": "{nowhere}"}, "/nowhere/key.p8"),
    "no key in it": ({"SNOWFLAKE_PRIVATE_KEY_PATH": "{no_pem}"}, "no.pem"),
    "another key": ({"SNOWFLAKE_PRIVATE_KEY_PATH": "{other}"}, "alter user ... set rsa_public_key"),
    "another account": (
        {"SNOWFLAKE_ACCOUNT": "other-lender"},
        "no Snowflake account has the name SNOWFLAKE_ACCOUNT=other",
    ),
    "no such role": ({"SNOWFLAKE_ROLE": "NOBODY"}, "role NOBODY does not exist"),
    "old token": ({"SNOWFLAKE_AUTHENTICATOR": "oauth", "SNOWFLAKE_TOKEN": "expired"}, "get a new token"),
}


@pytest.mark.parametrize("case", _CONNECTIONS)
def test_a_connection_that_fails_is_one_line(ready, files, case, monkeypatch):
    enter(ready, monkeypatch)
    with snowflake_connection.connected() as opened:
        assert opened.rows("select 1 as one") == [{"one": 1}]
    changed, said = _CONNECTIONS[case]
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value.format(**files))
    with pytest.raises(NightbookError) as caught, snowflake_connection.connected():
        pass
    assert_one_line(str(caught.value), said)


def test_a_token_is_as_good_as_a_key(ready, monkeypatch):
    enter(ready, monkeypatch)
    monkeypatch.setenv("SNOWFLAKE_AUTHENTICATOR", "oauth")
    monkeypatch.setenv("SNOWFLAKE_TOKEN", "good")
    monkeypatch.delenv("SNOWFLAKE_PRIVATE_KEY_PATH")
    with snowflake_connection.connected() as opened:
        assert opened.rows("select 1 as one") == [{"one": 1}]


def test_a_suspended_warehouse_is_one_line_and_so_is_none(ready, monkeypatch):
    enter(ready, monkeypatch)
    with snowflake_connection.connected() as administrator:
        administrator.rows("use role accountadmin")
        administrator.rows("alter resource monitor NIGHTBOOK set credit_quota = 0")
        try:
            done = dbt(ready, "build", "--select", "policy", "--exclude-resource-type", "test", "unit_test")
            assert done.returncode != 0
            assert_one_line(messages.one_line(done.stdout), "alter resource monitor NIGHTBOOK set credit_quota = N")
        finally:
            administrator.rows("alter resource monitor NIGHTBOOK set credit_quota = 100")
    monkeypatch.setenv("SNOWFLAKE_WAREHOUSE", "NONE_SUCH")
    with snowflake_connection.connected() as opened, pytest.raises(NightbookError) as caught:
        opened.rows("select * from NIGHTBOOK.RAW.ACCOUNTS")
    assert_one_line(str(caught.value), "set SNOWFLAKE_WAREHOUSE to one that the role may use")


@pytest.fixture
def all_roles(ready, monkeypatch):
    """The pipeline's user with Snowflake's default: all roles at once."""
    enter(ready, monkeypatch)
    with snowflake_connection.connected() as administrator:
        administrator.rows("use role accountadmin")
        administrator.rows("grant role nightbook_personal_data to user rehearsal")
        administrator.rows("alter user rehearsal set default_secondary_roles = ('ALL')")
        yield administrator
        administrator.rows("alter user rehearsal set default_secondary_roles = ()")


def test_a_run_with_secondary_roles_is_one_line_and_builds_nothing(ready, all_roles):
    done = dbt(ready, "build", "--select", "policy", "--exclude-resource-type", "test", "unit_test")
    assert done.returncode != 0 and "OK loaded" not in done.stdout
    assert_one_line(
        messages.one_line(done.stdout),
        "user REHEARSAL has secondary roles (NIGHTBOOK_PERSONAL_DATA), which add rights beyond its own role. Have an"
        " administrator run: alter user REHEARSAL set default_secondary_roles = ()",
    )


def test_what_asks_the_account_directly_logs_in_without_secondary_roles(ready, all_roles):
    asked = "select current_secondary_roles() as s"
    with snowflake_connection.connected() as opened:
        assert opened.rows(asked) == [{"s": '{"roles": "", "value": ""}'}]
    with running.connected(ready) as otherwise:
        # Proves the measure: a login without the setting has all roles.
        assert otherwise.cursor().execute(asked).fetchone() == ('{"roles": "NIGHTBOOK_PERSONAL_DATA", "value": "ALL"}',)


def test_a_missing_library_stops_the_run_before_its_first_model(ready):
    done = dbt(ready, "build", "--select", "tag:nightly", "--exclude-resource-type", "unit_test")
    assert done.returncode != 0
    assert_one_line(messages.one_line(done.stdout), "orchestrate.py stage")


@pytest.mark.parametrize(
    ("packages", "python", "said"),
    [
        (["snowflake-snowpark-python==1.56.0", "numpy>=2"], "3.11", "m: package numpy>=2 is not pinned. Write numpy=="),
        (["numpy==2.4.1"], "3.11", "m: snowflake-snowpark-python is not pinned"),
        (["snowflake-snowpark-python==1.56.0"], "", "m: no python_version is set"),
    ],
)
def test_a_loose_package_is_one_line(ready, packages, python, said):
    node = {"name": "m", "config": {"packages": packages, "python_version": python}}
    done = dbt(ready, "run-operation", "_refuse_loose_packages", "--args", str({"node": node}))
    assert done.returncode == 1
    assert_one_line(messages.one_line(done.stdout), said)


# Messages of real Snowflake that the rehearsal does not produce.
_SAID = {
    "SQL compilation error: Remote file '@NIGHTBOOK.CODE.LIBRARY/nightbook.zip' was not found. There are several "
    "potential causes.": "@NIGHTBOOK.CODE.LIBRARY/nightbook.zip is not on its stage",
    "391546 (42601): SQL compilation error: Cannot create a Python function with the specified packages. 'Packages not "
    "found: - xgboost==9.9'": "Snowflake has no package xgboost==9.9",
    "003001 (42501): SQL access control error:\nInsufficient privileges to operate on schema 'MARTS'": "schema 'MARTS'",
    "390422 (08001): IP 192.0.2.1 is not allowed to access Snowflake.": "network policy",
    "390100 (08004): Incorrect username or password was specified.": "check SNOWFLAKE_USER",
}


@pytest.mark.parametrize("message", _SAID)
def test_what_the_rehearsal_cannot_say_is_known_too(message):
    assert_one_line(messages.one_line(message), _SAID[message])


def test_a_failed_statement_of_a_block_is_said_without_where_it_stands():
    where = "100038 (22018): Uncaught exception of type 'STATEMENT_ERROR' on line 5 at position 4 : "
    assert messages.one_line(f"{where}Numeric value 'odd' is not recognized") == "Numeric value 'odd' is not recognized"


def test_messages_about_something_else_are_left_alone():
    for message in (
        "Binder Error: column x",
        "failed to establish a new connection to mlflow",
        "390144 rows were written",
    ):
        assert messages.refused(message) is None


def enter(environment: dict[str, str], monkeypatch) -> None:
    """Make this process look as if it was started in an environment."""
    for name in [name for name in os.environ if name.startswith(("NIGHTBOOK_", "SNOWFLAKE_", "MLFLOW_", "DBT_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)


def assert_one_line(line: str, said: str) -> None:
    assert said in line
    assert "\n" not in line and "Traceback" not in line and len(line) < 400, line
