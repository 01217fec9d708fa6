"""Paths of the home (NIGHTBOOK_HOME), and the name of the actor."""

import getpass
import os
from pathlib import Path

from nightbook import people
from nightbook.engine import deployment


def home() -> Path:
    """The folder that holds everything a run writes: NIGHTBOOK_HOME, or .nightbook in the working directory."""
    return Path(os.environ.get("NIGHTBOOK_HOME", ".nightbook")).absolute()


def is_account() -> bool:
    """Whether the warehouse is a Snowflake account: NIGHTBOOK_TARGET, which names dbt's target, is snowflake."""
    return os.environ.get("NIGHTBOOK_TARGET", "duckdb") == "snowflake"


def warehouse() -> Path:
    """The DuckDB file."""
    return home() / "warehouse.duckdb"


def landing() -> Path:
    """The folder of loads. Each load is a folder with one folder of Parquet files per landing table."""
    return home() / "landing"


def registry_uri() -> str:
    """The MLflow store: that of a staged library, or else MLFLOW_TRACKING_URI, or else a SQLite file in the home."""
    staged = deployment.record()
    if staged is not None:
        return staged["mlflow_tracking_uri"]
    return os.environ.get("MLFLOW_TRACKING_URI") or embedded_registry_uri()


def embedded_registry_uri() -> str:
    """The MLflow store in the home. Its artifacts are in the home too."""
    return f"sqlite:///{home() / 'mlflow.db'}"


def artifacts() -> Path:
    """The folder of MLflow artifacts for the store in the home."""
    return home() / "mlflow-artifacts"


def actor() -> str:
    """The person responsible for this process: NIGHTBOOK_ACTOR, or else the login name, or else `unknown`.

    Raises:
        NightbookError: the name is empty or cannot be read.
    """
    given = os.environ.get("NIGHTBOOK_ACTOR")
    if given is not None:
        return people.checked(
            given, "NIGHTBOOK_ACTOR", "set it to the person responsible, or unset it to use the login name"
        )
    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        return people.NOBODY
    return people.checked(login, "the login name", "set NIGHTBOOK_ACTOR to the person responsible")
