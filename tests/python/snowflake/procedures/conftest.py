"""A Snowflake account for the session, with the library on its stage as after a deployment."""

import gzip
import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))

from runner import snowflake_stage  # noqa: E402

from tests.rehearsal import running  # noqa: E402

NOT_SCORING = ("mlflow", "scikit-learn", "sqlglot")


@pytest.fixture(scope="session")
def runtime() -> dict:
    """The runtime that the project declares for its Python models."""
    models = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["models"]["nightbook"]
    return {name: models[f"+{name}"] for name in ("python_version", "packages", "imports")}


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    with running.account(tmp_path_factory.mktemp("account")) as found:
        yield found


@pytest.fixture(scope="session")
def connection(environment):
    """A connection like the pipeline's. The library's stage exists."""
    opened = running.connected(environment)
    opened.cursor().execute("create schema if not exists code")
    opened.cursor().execute("create stage if not exists code.library")
    opened.cursor().execute("use schema main")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def zipped(runtime) -> bytes:
    """The library with a deployment record."""
    record = {
        "git_commit": "0" * 40,
        "versions": {},
        "mlflow_tracking_uri": "http://127.0.0.1:9",
        "origin": "test/test",
    }
    return snowflake_stage.pack(record | {"has_mlflow_secret": False, "runtime": runtime}, [])


@pytest.fixture(scope="session")
def put(connection, tmp_path_factory) -> Callable[[str, bytes], str]:
    """A function that puts a file on the library's stage and returns its reference."""
    folder = tmp_path_factory.mktemp("put")

    def put(name: str, content: bytes) -> str:
        (folder / name).write_bytes(content)
        connection.cursor().execute(
            f"put 'file://{folder / name}' @code.library auto_compress = false overwrite = true"
        )
        return f"@code.library/{name}"

    return put


@pytest.fixture
def call(connection, runtime, put, zipped) -> Callable[..., str]:
    """A function that runs a procedure's body, `main(session)`, the way dbt does."""
    put(snowflake_stage.FILE, zipped)

    def call(body: str, packages: list[str] | None = None, imports: list[str] | None = None) -> str:
        given = [one for one in runtime["packages"] if not one.startswith(NOT_SCORING)]
        statement = f"""
WITH rehearsed AS PROCEDURE ()

RETURNS STRING
LANGUAGE PYTHON
RUNTIME_VERSION = '{runtime["python_version"]}'
PACKAGES = ('{"', '".join(packages or given)}')
IMPORTS = ('{"', '".join(imports or runtime["imports"])}')
HANDLER = 'main'
EXECUTE AS CALLER
AS
$$
{body}
$$
CALL rehearsed();
/* dbt says who asks */"""
        return connection.cursor().execute(statement).fetchone()[0]

    return call


@pytest.fixture
def records(environment) -> Callable[[], list[dict]]:
    """A function that returns what ran since its last call."""
    address = f"http://127.0.0.1:{environment['SNOWFLAKE_PORT']}/rehearsal/records"

    def ask() -> list[dict]:
        request = urllib.request.Request(address, method="DELETE")
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
        return json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)

    ask()
    return ask
