"""What training and promotions do to the registry, without dbt around it: acts for dying.py, no tests."""

import json
import os
from pathlib import Path

from nightbook import candidates, registry

NAMES = {"approver": "bob", "change_request": "CR-1"}


def train(folder: str) -> None:
    """As the models candidates and registrations do: log a candidate of each model, then register each."""
    verdicts = []
    for name in ("account_pd", "application_pd"):
        mlflow_run_id = registry.log_candidate(
            name,
            (Path(folder) / "model.ubj").read_bytes(),
            json.loads((Path(folder) / "metadata.json").read_text()) | {"model_name": name},
            tags={"maker": "ann", "run_id": f"run-{os.getpid()}", "git_commit": "abc"},
            metrics={"auc": 0.75, "rows": 100.0},
        )
        verdicts.append({"model_name": name, "mlflow_run_id": mlflow_run_id, "maker": "ann", "is_passed": True})
    candidates.register(verdicts, run_id=f"run-{os.getpid()}")


def approve(version: int) -> None:
    """As the command does, but for the mirror in the warehouse."""
    asked = registry.resumed("account_pd", "approve", version, **NAMES)
    registry.reported(asked or registry.approve("account_pd", version, **NAMES))


def rollback() -> None:
    """As the command does, but for the mirror in the warehouse."""
    asked = registry.resumed("account_pd", "rollback", None, **NAMES)
    registry.reported(asked or registry.rollback("account_pd", **NAMES))


def train_forgetful(folder: str) -> None:
    """The fault: what was logged before is not looked for."""
    registry._logged_before = lambda *_: None
    train(folder)


def approve_forgetful(version: int) -> None:
    """The fault: what was asked for before is not looked for."""
    registry.approve("account_pd", version, **NAMES)
