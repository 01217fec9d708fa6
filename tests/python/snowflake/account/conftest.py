"""A rehearsal server for the session, and a new database for each test."""

import os
import sys
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))

from tests.rehearsal import running  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> dict[str, str]:
    """The environment that connects to the Snowflake account."""
    with running.account(tmp_path_factory.mktemp("account")) as environment:
        yield environment


@pytest.fixture
def account(server, tmp_path, monkeypatch) -> dict[str, str]:
    """The environment of a run on a new Snowflake database, set for this process. Its home is the test's."""
    given = server | {
        "NIGHTBOOK_HOME": str(tmp_path / "home"),
        "SNOWFLAKE_DATABASE": f"T{uuid.uuid4().hex[:12]}".upper(),
    }
    for name in os.environ.keys() - given.keys():
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    return given
