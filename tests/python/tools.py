"""Checks that `make lint` installs apart from the runtime, for tests that see them fail."""

import os
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[2] / ".venv-tools" / "bin"


def tool(name: str) -> Path:
    """One of them; without it CI fails, and a machine on which `make lint` never ran skips the test."""
    if not (BIN / name).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs .venv-tools: run `make lint`, which makes it")
    return BIN / name
