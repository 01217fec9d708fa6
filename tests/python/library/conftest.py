"""One MLflow store for the whole folder: three candidates, two registered versions, one champion.

A new SQLite store costs two seconds and a candidate 50 ms. So tests that change something use their own model name in
the shared store.
"""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from library_store import APPROVER, MODEL, SPECS, Store, log, new_model, population, register, set_environment
from nightbook.engine import frames
from nightbook.modelling import boosting, training
from nightbook.registry import model_versions
from runner import promotions


@pytest.fixture(scope="session")
def portfolio() -> pa.Table:
    return population()


@pytest.fixture(scope="session")
def connection():
    with duckdb.connect() as opened:
        yield opened


@pytest.fixture(scope="session")
def training_set(connection, portfolio):
    return connection.from_arrow(portfolio)


@pytest.fixture(scope="session")
def accounts(connection, portfolio):
    """Relation of 700 accounts to score, one of them without any value."""
    head = connection.from_arrow(portfolio.slice(0, 700))
    names = ", ".join(spec.name for spec in SPECS)
    empty = ", ".join(f"null as {spec.name}" for spec in SPECS)
    known = head.project(f"entity_id as account_id, as_of_date, {names}")
    return known.union(connection.sql(f"select 'A_empty' as account_id, date '2024-01-31' as as_of_date, {empty}"))


@pytest.fixture(scope="session")
def store(tmp_path_factory, portfolio) -> Store:
    """Versions 1 (boosted trees, the champion) and 2 (forest) of account_pd. A third candidate is only logged."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, folder)
        found = [training.train(portfolio, SPECS, model_name=MODEL, threads=1)]
        found.append(training.train(population(2000, seed=5), SPECS, model_name=MODEL, threads=1))
        patch.setattr(boosting, "ROUNDS", 1)
        found.insert(1, training.train(portfolio, SPECS, model_name=MODEL, threads=1))
        assert [candidate.algorithm for candidate in found] == ["boosted_trees", "random_forest", "boosted_trees"]
        runs = tuple(log(candidate) for candidate in found)
        for run in runs[:2]:
            register(MODEL, run)
        promotions.approve(MODEL, 1, approver=APPROVER, change_request="CR-1")
    return Store(folder, tuple(found), runs)


@pytest.fixture(autouse=True)
def environment(monkeypatch, store):
    """Every test starts in the shared home."""
    set_environment(monkeypatch, store.home)


@pytest.fixture
def empty_home(monkeypatch, environment, tmp_path) -> Path:
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def model_name(store) -> str:
    return new_model(store)


@pytest.fixture
def champion(store) -> model_versions.Model:
    return model_versions.load(MODEL, 1)


@pytest.fixture
def forest(store) -> model_versions.Model:
    return model_versions.load(MODEL, 2)


@pytest.fixture
def matrix(accounts, champion) -> np.ndarray:
    return frames.matrix(frames.table(accounts), champion.features)
