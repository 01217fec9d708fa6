"""Export the model of a home's last night as plain files, for the floor and the peers."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python_models"))

import duckdb  # noqa: E402
from nightbook.registry import model_versions  # noqa: E402

MODEL_NAME = "account_pd"


def export_champion(home: Path, folder: Path, model_name: str = MODEL_NAME) -> tuple[Path, Path]:
    """Write model.ubj, and features.json with the JSON list of the model's inputs in its order.

    Args:
        home: the NIGHTBOOK_HOME of a scored night. Its registry is MLFLOW_TRACKING_URI if set, else its own.
        folder: where the files go; created if missing.
        model_name: the scoring model.

    Returns:
        Paths of the two files.

    Raises:
        LookupError: the home's last night had no champion for the model.
    """
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        found = warehouse.execute(
            "select model_version from scoring.champions where model_name = ?", [model_name]
        ).fetchone()
    if found is None:
        raise LookupError(f"{home}: its last night did not score with {model_name}")
    with _home(home):
        model = model_versions.load(model_name, found[0])
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "model.ubj", folder / "features.json"
    files[0].write_bytes(model.booster_bytes)
    files[1].write_text(json.dumps(model.features))
    return files


@contextmanager
def _home(home: Path) -> Iterator[None]:
    """Set NIGHTBOOK_HOME while the block runs."""
    before = os.environ.get("NIGHTBOOK_HOME")
    os.environ["NIGHTBOOK_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["NIGHTBOOK_HOME"]
        else:
            os.environ["NIGHTBOOK_HOME"] = before
