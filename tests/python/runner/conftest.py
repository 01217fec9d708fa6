from pathlib import Path

import pytest


@pytest.fixture
def empty_home(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path))
    return tmp_path
