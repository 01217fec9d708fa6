"""Checks that `make lint` installs apart from the runtime, for tests in which they must fail."""

import os
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / ".venv-tools" / "bin"


def tool(name: str) -> Path:
    """A tool. If it is missing, CI fails; on a machine where `make lint` never ran, the test is skipped."""
    if not (BIN / name).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs .venv-tools: run `make lint`, which makes it")
    return BIN / name
