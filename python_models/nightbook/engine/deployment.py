"""What a staged library knows of its checkout. Inside Snowflake there is no other way to know it."""

import functools
import json
from importlib import resources
from typing import Any

FILE = "deployment.json"
LINEAGE_FILE = "deployment_sql.json"


@functools.cache
def record() -> dict | None:
    """The record that was written when the library was staged. None in a checkout.

    Keys: git_commit, those of `provenance.DIGESTS`, versions (of what runs outside Snowflake), mlflow_tracking_uri,
    has_mlflow_secret, origin (which training runs are this home's), runtime (python_version, packages, imports),
    scoring_models (rows of the seed).
    """
    return _read(FILE)


def nodes() -> list[dict] | None:
    """Nodes that this library was staged for, with their SQL, as `lineage.nodes` returns them. None in a checkout."""
    return _read(LINEAGE_FILE)


def _read(name: str) -> Any:
    file = resources.files("nightbook") / name
    return json.loads(file.read_text()) if file.is_file() else None
