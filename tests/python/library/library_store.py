"""Shared by the tests of the library: a population with known structure, its catalog, and one store's candidates."""

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from nightbook.engine import home
from nightbook.modelling import training
from nightbook.modelling.boosting import FeatureSpec
from nightbook.registry import model_versions
from runner import promotions
from scipy import special

from tests.python.recorded import Book

MODEL = "account_pd"
MAKER = "Ann Maker"
APPROVER = "bob"
SPECS = (
    FeatureSpec("utilization", 1),
    FeatureSpec("months_on_book", -1),
    FeatureSpec("balance", 0),
    FeatureSpec("is_revolving", 0),
    FeatureSpec("bureau_score", -1),
    FeatureSpec("never_landed", 0),
)
_names = itertools.count()
# Home -> its record.
_books: dict[Path, Book] = defaultdict(Book)


def population(rows: int = 3000, seed: int = 3) -> pa.Table:
    """Defaults that follow from interactions, so that trees beat the scorecard. It has every type, and nulls."""
    generator = np.random.default_rng(seed)
    utilization = np.round(generator.gamma(2, 0.25, rows), 6)
    months = generator.integers(1, 120, rows)
    cents = generator.integers(0, 2_000_000, rows)
    is_revolving = generator.random(rows) < 0.5
    bureau = np.round(generator.normal(650, 60, rows), 6)
    log_odds = (
        -3.2 + np.where(is_revolving, 3.5, 0.4) * utilization - np.where(months < 30, 0.02, 0.002) * (bureau - 650)
    )
    share = np.arange(rows) % 20
    columns = pa.table(
        {
            "entity_id": [f"A{row:06d}" for row in range(rows)],
            "customer_id": [f"C{row:06d}" for row in range(rows)],
            "as_of_date": pa.array([date(2024, 1, 31)] * rows, pa.date32()),
            "split": np.where(share < 11, "train", np.where(share < 14, "validation", "holdout")).tolist(),
            "is_default": (generator.random(rows) < special.expit(log_odds)).astype(np.int32),
            "utilization": utilization,
            "months_on_book": pa.array(months, pa.int32()),
            "cents": pa.array(cents, pa.int64()),
            "is_revolving": pa.array(is_revolving),
            "bureau_score": pa.array(bureau, mask=generator.random(rows) < 0.1),
            "never_landed": pa.nulls(rows, pa.int32()),
        }
    )
    with duckdb.connect() as connection:
        given = connection.from_arrow(columns)
        return given.project(
            "* exclude (cents), cast(cast(cents as decimal(18, 0)) / 100 as decimal(18, 2)) as balance"
        ).to_arrow_table()


def catalog_of(model_name: str, specs=SPECS, extra: tuple[FeatureSpec, ...] = ()) -> list[dict]:
    """Rows of the feature catalog, and one feature that is not in the model."""
    rows = [
        {"model_name": model_name, "name": spec.name, "monotone_direction": spec.monotone, "in_model": True}
        for spec in (*specs, *extra)
    ]
    return [*rows, {"model_name": model_name, "name": "account_state", "monotone_direction": 0, "in_model": False}]


@dataclass(frozen=True)
class Store:
    """The shared store: its home, the candidates, and their MLflow runs."""

    home: Path
    candidates: tuple[training.Candidate, ...] = field(repr=False)
    runs: tuple[str, ...]


def log(candidate: training.Candidate, model_name: str = MODEL, maker: str = MAKER) -> str:
    return model_versions.log_candidate(
        model_name,
        candidate.booster_bytes,
        training.metadata(candidate),
        tags={"maker": maker, "run_id": "run-0", "git_commit": "abc-dirty"},
        metrics={name: float(value) for name, value in candidate.metrics.items()},
        runner_up=candidate.runner_up.booster_bytes,
    )


def book() -> Book:
    """The record of this test's home."""
    return _books[home.home()]


def set_environment(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder the home. Its record is not in a warehouse."""
    patch.setenv("NIGHTBOOK_HOME", str(folder))
    patch.setenv("NIGHTBOOK_ACTOR", APPROVER)
    # On a busy machine, spinning OpenMP threads cost tenfold on tables this small.
    patch.setenv("NIGHTBOOK_THREADS", "1")
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    patch.setattr(promotions, "record", lambda: book().record())
    patch.setattr(promotions, "write", lambda promotion: book().write(promotion))


def register(name: str, run: str, *, maker: str = MAKER, run_id: str = "run-0", verdict: str = "pass") -> int:
    """Register a candidate like a training whose gate has judged it. Returns the version's number."""
    return book().register(name, run, maker=maker, run_id=run_id, verdict=verdict)


def new_model(store: Store, versions: int = 3) -> str:
    """A new model for this test with the shared candidates as its versions, none of them champion."""
    name = f"model_{next(_names)}"
    for run in store.runs[:versions]:
        register(name, run)
    return name


def as_chosen(model) -> dict:
    """A row of the relation champions."""
    names = {"model_name": model.model_name, "model_version": model.version}
    return names | {"model_digest": model.digest, "metadata_digest": model.metadata_digest}
