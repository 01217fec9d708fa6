"""Imports: the checks of `make types` fail on an import of an upper floor, or in a circle."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.python.tools import tool

ROOT = Path(__file__).resolve().parents[3]
FLOORS, ABOVE, SITE, CIRCLES = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
# File, the import planted there, and the one contract that it breaks.
PLANTED = {
    "up": ("python_models/nightbook/catalog/families.py", "from nightbook.registry import chain", FLOORS),
    "aside": ("python_models/nightbook/lineage/builds.py", "from nightbook import provenance", FLOORS),
    "of no floor": ("python_models/nightbook/unplaced.py", "import json", FLOORS),
    "out of the library": ("python_models/nightbook/trail/svg.py", "from runner import given", ABOVE),
    "what compares": ("runner/given.py", "from impact import limits", ABOVE),
    "site to command": ("docsite/blocks.py", "from runner import commands", SITE),
    "dbt to site": ("runner/dbt_build.py", "from docsite import cited", SITE),
    "circle": ("python_models/nightbook/landing/casts.py", "from nightbook.landing import files", CIRCLES),
}


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of the packages and their contracts."""
    for folder in ("docsite", "impact", "python_models/nightbook", "runner"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def verdicts(project: Path) -> dict[str, str]:
    """Contract -> KEPT or BROKEN. A broken contract is an error."""
    done = subprocess.run(
        [tool("lint-imports"), "--no-logo", "--no-cache"],
        env=os.environ | {"PYTHONPATH": str(project / "python_models")},
        cwd=project,
        capture_output=True,
        text=True,
    )
    found = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    assert done.returncode == ("BROKEN" in found.values()), done.stdout + done.stderr
    return found


def test_imports_lead_down(project):
    assert verdicts(project) == dict.fromkeys((FLOORS, ABOVE, SITE, CIRCLES), "KEPT")


@pytest.mark.parametrize(("file", "planted", "broken"), PLANTED.values(), ids=PLANTED)
def test_an_import_that_does_not_is_refused(project, file, planted, broken):
    with (project / file).open("a") as module:
        module.write(f"{planted}\n")
    assert [name for name, verdict in verdicts(project).items() if verdict == "BROKEN"] == [broken]
