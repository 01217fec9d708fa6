"""The locks: a run installs no more than it needs, and all of them name the same versions."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Each lock is a part of the next one.
LOCKS = ("requirements.txt", "requirements-snowflake.txt", "requirements-dev.txt")


def pins(text: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", text, re.MULTILINE))


def disagreements(*texts: str) -> set[str]:
    """Pins that the next lock does not have."""
    return set().union(*(pins(one) - pins(following) for one, following in zip(texts, texts[1:], strict=False)))


def named(extra: str) -> set[str]:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    return {re.split(r"[\[<>=;]", one)[0] for one in wanted if not one.startswith("sqlglot")}


def test_the_locks_agree():
    texts = [(ROOT / name).read_text() for name in LOCKS]
    assert disagreements(*texts) == set() and all(map(pins, texts))
    assert disagreements(texts[0].replace("duckdb==2.0", "duckdb==1.9"), *texts[1:])


def test_no_lock_names_an_index():
    for name in (*LOCKS, "requirements-tools.txt"):
        asked = [line for line in (ROOT / name).read_text().splitlines() if not line.lstrip().startswith("#")]
        assert asked and not [line for line in asked if "://" in line or line.startswith("-")], name


@pytest.mark.parametrize(("name", "without"), [("requirements.txt", ("dev", "snowflake")),
                                               ("requirements-snowflake.txt", ("dev",))])  # fmt: skip
def test_a_run_installs_nothing_that_only_a_change_needs(name, without):
    locked = {pin.partition("==")[0] for pin in pins((ROOT / name).read_text())}
    # What mlflow brings anyway.
    assert locked & set().union(*map(named, without)) <= {"pandas"}


def test_an_installed_library_has_every_package():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    library = ROOT / "python_models"
    found = {".".join(file.parent.relative_to(library).parts) for file in library.glob("nightbook/**/__init__.py")}
    assert set(named) == found
