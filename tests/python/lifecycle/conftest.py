"""One MLflow store for the whole folder: three candidates, two registered versions, one champion.

A new SQLite store costs two seconds and a candidate 50 ms, so tests that change something take a model name of their
own in the shared store.
"""

import itertools
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from nightbook import boosting, frames, registry, training
from nightbook.boosting import FeatureSpec
from scipy import special

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


def population(rows: int = 3000, seed: int = 3) -> pa.Table:
    """Defaults that follow from interactions, so that trees beat the scorecard; a value of every type and a null."""
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
    """Rows of the feature catalog, and one feature that the catalog keeps out of the model."""
    rows = [
        {"model_name": model_name, "name": spec.name, "monotone_direction": spec.monotone, "in_model": True}
        for spec in (*specs, *extra)
    ]
    return [*rows, {"model_name": model_name, "name": "account_state", "monotone_direction": 0, "in_model": False}]


@dataclass(frozen=True)
class Store:
    """The shared store: its home, the candidates and the MLflow runs that hold them."""

    home: Path
    candidates: tuple[training.Candidate, ...] = field(repr=False)
    runs: tuple[str, ...]


@pytest.fixture(scope="session")
def table() -> pa.Table:
    return population()


@pytest.fixture(scope="session")
def connection():
    with duckdb.connect() as opened:
        yield opened


@pytest.fixture(scope="session")
def training_set(connection, table):
    return connection.from_arrow(table)


@pytest.fixture(scope="session")
def accounts(connection, table):
    """Relation of 700 accounts to score, one of them without a single value."""
    head = connection.from_arrow(table.slice(0, 700))
    names = ", ".join(spec.name for spec in SPECS)
    empty = ", ".join(f"null as {spec.name}" for spec in SPECS)
    known = head.project(f"entity_id as account_id, as_of_date, {names}")
    return known.union(connection.sql(f"select 'A_empty' as account_id, date '2024-01-31' as as_of_date, {empty}"))


def log(candidate: training.Candidate, model_name: str = MODEL) -> str:
    return registry.log_candidate(
        model_name,
        candidate.booster_bytes,
        training.metadata(candidate),
        tags={"maker": MAKER, "run_id": "run-0", "git_commit": "abc-dirty"},
        metrics={name: float(value) for name, value in candidate.metrics.items()},
    )


def _set_environment(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("NIGHTBOOK_HOME", str(folder))
    patch.setenv("NIGHTBOOK_ACTOR", MAKER)
    # Spinning OpenMP threads on a busy machine cost tenfold on tables this small.
    patch.setenv("NIGHTBOOK_THREADS", "1")
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def store(tmp_path_factory, table) -> Store:
    """Versions 1 (boosted trees, the champion) and 2 (forest) of account_pd; a third candidate is only logged."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        _set_environment(patch, folder)
        found = [training.train(table, SPECS, model_name=MODEL, threads=1)]
        found.append(training.train(population(2000, seed=5), SPECS, model_name=MODEL, threads=1))
        patch.setattr(boosting, "ROUNDS", 1)
        found.insert(1, training.train(table, SPECS, model_name=MODEL, threads=1))
        assert [candidate.algorithm for candidate in found] == ["boosted_trees", "random_forest", "boosted_trees"]
        runs = tuple(log(candidate) for candidate in found)
        for run in runs[:2]:
            registry.register(MODEL, run, maker=MAKER, run_id="run-0")
        registry.approve(MODEL, 1, approver=APPROVER, change_request="CR-1")
    return Store(folder, tuple(found), runs)


@pytest.fixture(autouse=True)
def environment(monkeypatch, store):
    """Every test starts in the shared home."""
    _set_environment(monkeypatch, store.home)


@pytest.fixture
def empty_home(monkeypatch, environment, tmp_path) -> Path:
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path))
    return tmp_path


def new_model(store: Store, versions: int = 3) -> str:
    """A model of this test's own with the shared candidates as its versions, none of them champion."""
    name = f"model_{next(_names)}"
    for run in store.runs[:versions]:
        registry.register(name, run, maker=MAKER, run_id="run-0")
    return name


@pytest.fixture
def model_name(store) -> str:
    return new_model(store)


@pytest.fixture
def champion(store) -> registry.Model:
    return registry.load(MODEL, 1)


@pytest.fixture
def forest(store) -> registry.Model:
    return registry.load(MODEL, 2)


@pytest.fixture
def matrix(accounts, champion) -> np.ndarray:
    return frames.matrix(frames.table(accounts), champion.features)
