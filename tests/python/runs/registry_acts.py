"""What a training does to the registry, without dbt, and commands with a fault. Acts for dying.py, not tests."""

import json
import os
from pathlib import Path

from nightbook.modelling import candidates
from nightbook.registry import model_versions
from runner import commands, promotions


def train(folder: str) -> None:
    """Like the models candidates and registrations: log a candidate of each model, then register each."""
    verdicts = []
    for name in ("account_pd", "application_pd"):
        metadata = json.loads((Path(folder) / "metadata.json").read_text()) | {"model_name": name}
        mlflow_run_id = model_versions.log_candidate(
            name,
            (Path(folder) / "model.ubj").read_bytes(),
            metadata,
            tags={"maker": "ann", "run_id": f"run-{os.getpid()}", "git_commit": "abc"},
            metrics={"auc": 0.75, "rows": 100.0},
        )
        judged = {"model_digest": metadata["digest"], "data_digest": metadata["data_digest"], "is_passed": True}
        verdicts.append({"model_name": name, "mlflow_run_id": mlflow_run_id, "maker": "ann"} | judged)
    candidates.register(verdicts, run_id=f"run-{os.getpid()}")


def train_forgetful(folder: str) -> None:
    """The fault: earlier logged candidates are not looked for."""
    model_versions._logged_before = lambda *_: None
    train(folder)


def approve_forgetful(*arguments) -> None:
    """The fault: the record is not checked for the same promotion."""
    promotions._asked_before = lambda *_: None
    commands.approve(*arguments)
