"""What the benchmark's engines share: arguments, the clock, the model, and the result line."""

import argparse
import csv
import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xgboost as xgb

POLICY = Path(__file__).resolve().parents[1] / "seeds" / "reference" / "policy.csv"


class Night(NamedTuple):
    """What is scored, with which model, and where the result goes.

    landing: folder of loads, `<load_id>/<table>/part-*.parquet`.
    model: XGBoost's file.
    features: JSON list of the model's inputs, in its order.
    known_at: UTC; rows loaded later are ignored.
    out: Parquet of account_id and pd; the feature table is written beside it.
    """

    landing: Path
    model: Path
    features: Path
    as_of: date
    known_at: datetime
    threads: int
    out: Path

    def inputs(self) -> list[str]:
        """Names of the model's inputs."""
        return json.loads(self.features.read_text())

    def booster(self) -> xgb.Booster:
        """The model, set to the night's number of threads."""
        booster = xgb.Booster()
        booster.load_model(self.model)
        booster.set_param({"nthread": self.threads})
        return booster


class Clock:
    """Wall seconds of a run's stages, in order."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        yield
        self.stages[name] = round(self.stages.get(name, 0) + time.perf_counter() - start, 3)


def default_days(overrides: list[tuple[str, str | None]]) -> int | None:
    """Days past due from which an account is in default. None if the lender switched the rule off.

    overrides: name and value of each policy that the lender replaces.
    """
    with POLICY.open(encoding="utf-8", newline="") as stream:
        values = {row["name"]: row["value"] for row in csv.DictReader(stream)} | dict(overrides)
    value = values["default_days_past_due"]
    return int(value) if value else None


def predict(booster: xgb.Booster, columns: list[np.ndarray]) -> np.ndarray:
    """The model's own probability of each row, float64. `columns`: its inputs in order, NaN for missing."""
    matrix = np.empty((len(columns), len(columns[0])), dtype=np.float32)
    for number, column in enumerate(columns):
        matrix[number] = column
    return booster.inplace_predict(matrix.T).astype(np.float64)


def main(run: Callable[[Night, Clock], int]) -> None:
    """Run one engine from the command line. `run` returns the number of accounts that it scored."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("landing", "model", "features", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    parser.add_argument("--known-at", type=datetime.fromisoformat, required=True)
    parser.add_argument("--threads", type=int, default=2)
    clock = Clock()
    accounts = run(Night(**vars(parser.parse_args())), clock)
    result = {
        "seconds": round(time.perf_counter() - start, 3),
        "stages": clock.stages,
        "accounts": accounts,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(result))
