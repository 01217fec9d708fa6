import duckdb
import pytest
from nightbook.engine import home


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """In the place of the library's shared home: these tests need no model."""
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path / "home"))


@pytest.fixture
def query():
    """Run SQL on the warehouse and fetch every row. The connection is closed at once."""

    def run(sql: str):
        with duckdb.connect(str(home.warehouse()), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return run
