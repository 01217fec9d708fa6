"""A new home for each test, a warehouse made by hand, and a receiver."""

import socket
from pathlib import Path

import pytest
from runner.alerts import webhook
from stand_ins import Warehouse, receiving


@pytest.fixture
def receiver():
    with receiving() as up:
        yield up


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("NIGHTBOOK_HOME", str(folder))
    for name in (webhook.VARIABLE, "NIGHTBOOK_METRICS_FILE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def nothing_is_opened(monkeypatch):
    """Opening a connection fails the test, even if the caller swallows the error."""
    opened = []

    def connect(self, address):
        opened.append(address)
        raise AssertionError(f"a connection to {address} was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: connect(None, arguments))
    yield
    assert not opened


@pytest.fixture
def made(home) -> Warehouse:
    """A warehouse in the home with empty relations."""
    home.mkdir()
    warehouse = Warehouse(home / "warehouse.duckdb")
    warehouse.execute(
        "create schema audit",
        "create schema monitoring",
        "create schema training",
        "create schema operations",
        "create table audit.run_log (run_id varchar, cadence varchar, started_at timestamp, ended_at timestamp,"
        " outcome varchar, first_failure varchar, accounts_scored bigint, applications_scored bigint,"
        " rows_by_relation varchar, pinned_versions varchar)",
        "create table audit.fct_model_versions (model_name varchar, model_version integer, run_id varchar,"
        " is_champion boolean)",
        "create table monitoring.fct_feature_psi (model_name varchar, feature varchar, as_of_date date, value double,"
        " status varchar, run_id varchar)",
        "create table training.fct_gate_decisions (model_name varchar, run_id varchar, rule varchar, verdict varchar,"
        " reason varchar, decided_at timestamp)",
        "create table training.gate_measurements (model_name varchar, metric varchar, value double)",
        "create table operations.fct_deadlines (cadence varchar, due_date date, due_at timestamp, status varchar,"
        " margin_minutes decimal(18,1), ended_at timestamp, expected_seconds bigint)",
    )
    return warehouse
