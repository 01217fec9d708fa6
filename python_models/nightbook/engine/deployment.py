"""What a staged library knows of the checkout that it was made from: there is no other way to ask there."""

import functools
import json
from importlib import resources
from typing import Any

FILE = "deployment.json"
LINEAGE_FILE = "deployment_sql.json"


@functools.cache
def record() -> dict | None:
    """What was written when the library was staged; None in a checkout.

    Keys: git_commit, those of `provenance.DIGESTS`, versions (of what runs beside the account), mlflow_tracking_uri,
    has_mlflow_secret, origin (whose training runs are ours), runtime (python_version, packages, imports).
    """
    return _read(FILE)


def nodes() -> list[dict] | None:
    """Nodes of what this library was staged for, with their SQL, as `lineage.nodes`; None in a checkout."""
    return _read(LINEAGE_FILE)


def _read(name: str) -> Any:
    file = resources.files("nightbook") / name
    return json.loads(file.read_text()) if file.is_file() else None
