"""Copies of parts of a home, for tests that change them."""

import shutil
from pathlib import Path


def copy_warehouse(home: Path, folder: Path) -> None:
    """Copy a home's warehouse into another home, which reads the same landed files if there are any."""
    shutil.copy(home / "warehouse.duckdb", folder)
    if (home / "landing").exists():
        (folder / "landing").symlink_to(home / "landing")


def copy_store(home: Path, folder: Path) -> None:
    """Copy a home's registry into another home, with its artifacts."""
    shutil.copy(home / "mlflow.db", folder)
    shutil.copytree(home / "mlflow-artifacts", folder / "mlflow-artifacts")
