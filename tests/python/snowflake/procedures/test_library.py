"""The zip on the stage: the same bytes for the same code, and everything that a procedure needs of its deployment."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.lineage import queries
from runner import snowflake_stage

ROOT = Path(__file__).resolve().parents[4]


def test_the_same_code_is_the_same_bytes(zipped, runtime):
    record = json.loads(zipfile.ZipFile(io.BytesIO(zipped)).read("nightbook/deployment.json"))
    assert snowflake_stage.pack(record, []) == zipped
    assert snowflake_stage.pack(record | {"git_commit": "1" * 40}, []) != zipped


def test_the_zip_holds_every_module_and_nothing_else(zipped):
    names = set(zipfile.ZipFile(io.BytesIO(zipped)).namelist())
    modules = {f"nightbook/{path.relative_to(ROOT / 'python_models' / 'nightbook').as_posix()}"
               for path in (ROOT / "python_models" / "nightbook").glob("**/*.py")}  # fmt: skip
    # Look-alike characters, for which Snowflake has no package.
    alike = {f"homoglyphs_fork/{name}" for name in ("__init__.py", "core.py", "categories.json", "confusables.json",
                                                    "languages.json")}  # fmt: skip
    assert names == modules | alike | {"nightbook/deployment.json", "nightbook/deployment_sql.json"}


def test_no_secret_is_in_the_record(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "very-secret")
    (tmp_path / "target").mkdir()
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(snowflake_stage, "_runtime", dict)
    monkeypatch.setattr(snowflake_stage.snowflake_connection, "name", lambda: "account/database")
    monkeypatch.setattr(snowflake_stage.provenance, "code_digests", dict)
    assert "very-secret" not in json.dumps(snowflake_stage._record("http://mlflow"))


def test_a_procedure_knows_where_it_comes_from(call):
    body = """
def main(session):
    import json
    from nightbook import provenance
    from nightbook.engine import frames, home
    from nightbook.registry import mlflow_store
    commit, uri, origin = provenance.git_commit(), home.registry_uri(), mlflow_store.origin()
    return json.dumps([commit, uri, origin, frames.engine(session)])
"""
    commit, uri, origin, engine = json.loads(call(body))
    assert (commit, uri, origin) == ("0" * 40, "http://127.0.0.1:9", "test/test")
    assert engine.startswith("snowflake ")


def test_packages_are_those_of_the_lock(runtime):
    locked = set(re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / "requirements-snowflake.txt").read_text(), re.MULTILINE))
    assert set(runtime["packages"]) <= locked


def test_a_registry_without_a_server_is_one_line(monkeypatch):
    monkeypatch.setenv("NIGHTBOOK_TARGET", "snowflake")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert home.is_account()
    with pytest.raises(NightbookError, match="^MLFLOW_TRACKING_URI is not the address of a server"):
        snowflake_stage.stage()
    monkeypatch.setenv("NIGHTBOOK_TARGET", "duckdb")
    with pytest.raises(NightbookError, match="^DuckDB runs Python beside dbt"):
        snowflake_stage.stage()


def test_snowflakes_sql_gives_the_edges_that_duckdbs_gives():
    columns = {"raw.a": ["id", "x", "y"], "out.t": ["id", "v"]}
    sql = "with c as (select ID, sum(iff(X > 0, y, null)) as V from {}raw.A group by id) select * from c"
    theirs = queries.of_sql(sql.format("NIGHTBOOK."), "out.t", columns, "snowflake")
    own = queries.of_sql(sql.format("").replace("iff(X > 0, y, null)", "if(x > 0, y, null)"), "out.t", columns)
    assert set(theirs) == set(own) and len(own) == 3
