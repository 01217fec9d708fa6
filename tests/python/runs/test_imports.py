"""Nothing is imported before it is needed: start-up is a part of every night."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.python.runs.conftest import ROOT, Home

# Each costs a command between a tenth of a second and four seconds.
NEVER = {"alembic", "fastapi", "flask", "matplotlib", "mlflow", "polars", "sqlalchemy"}
IN_A_RUN = {"agate", "dbt", "openlineage", "pandas", "scipy", "sklearn", "sqlglot", "xgboost"}


def imported(home: Home, *arguments: str, **extra: str) -> set[str]:
    """The packages that a command imports, in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "orchestrate.py"), *arguments],
        env=home.environment(**extra), cwd=home.path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [["--help"], ["status"]])
def test_a_look_imports_nothing_that_only_a_run_needs(demo, arguments):
    assert not imported(demo[0], *arguments) & (NEVER | IN_A_RUN)


def test_a_night_imports_no_mlflow(copy):
    found = imported(copy, "score")
    # The lineage of this code was read by the night before.
    assert not found & (NEVER | {"sqlglot"})
    assert found >= {"dbt", "openlineage", "xgboost"}


def test_a_needless_import_is_noticed(demo, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("import sqlalchemy\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    assert imported(demo[0], "--help", PYTHONPATH=path) & NEVER == {"sqlalchemy"}
