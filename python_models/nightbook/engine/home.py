"""Where a run writes: every path under NIGHTBOOK_HOME, and who is running."""

import getpass
import os
from pathlib import Path

from nightbook import people
from nightbook.engine import deployment


def home() -> Path:
    """The folder that holds everything a run writes; NIGHTBOOK_HOME, or .nightbook under the working directory."""
    return Path(os.environ.get("NIGHTBOOK_HOME", ".nightbook")).absolute()


def is_account() -> bool:
    """Whether the warehouse is a Snowflake account: NIGHTBOOK_TARGET, which names dbt's target, is snowflake."""
    return os.environ.get("NIGHTBOOK_TARGET", "duckdb") == "snowflake"


def warehouse() -> Path:
    """The DuckDB file."""
    return home() / "warehouse.duckdb"


def landing() -> Path:
    """The folder of loads: one folder per load, one folder of Parquet files per landing table inside it."""
    return home() / "landing"


def registry_uri() -> str:
    """The MLflow store: what a staged library names, else MLFLOW_TRACKING_URI, else a SQLite file under the home."""
    staged = deployment.record()
    if staged is not None:
        return staged["mlflow_tracking_uri"]
    return os.environ.get("MLFLOW_TRACKING_URI") or embedded_registry_uri()


def embedded_registry_uri() -> str:
    """The MLflow store that lives under the home; its artifacts do too."""
    return f"sqlite:///{home() / 'mlflow.db'}"


def artifacts() -> Path:
    """The folder of MLflow artifacts for the embedded store."""
    return home() / "mlflow-artifacts"


def actor() -> str:
    """Who answers for what this process does: NIGHTBOOK_ACTOR, else the login name, else nobody.

    Raises:
        NightbookError: the name is empty, or has what cannot be read.
    """
    given = os.environ.get("NIGHTBOOK_ACTOR")
    if given is not None:
        return people.checked(given, "NIGHTBOOK_ACTOR", "write who answers for this, or unset it for the login name")
    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        return people.NOBODY
    return people.checked(login, "the login name", "set NIGHTBOOK_ACTOR to who answers for this")
