"""Whole runs, each in its own home. Expensive homes are built once per session and shared."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.python import recorded, warm  # noqa: E402
from tests.python.copies import copy_store, copy_warehouse  # noqa: E402

UCI_FILE = ROOT.parent / "shared" / "data" / "uci_taiwan" / "UCI_Credit_Card.csv"
LANDING = [
    "customers",
    "accounts",
    "loan_servicing",
    "payments",
    "bureau_pulls",
    "applications",
    "default_events",
    "policy_overrides",
]


@dataclass(frozen=True)
class Home:
    """A NIGHTBOOK_HOME, and commands on it."""

    path: Path
    registry: str | None = None
    given: dict[str, str] = field(default_factory=dict)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = warm.clean()
        if self.registry:
            kept["MLFLOW_TRACKING_URI"] = self.registry
        return kept | {"NIGHTBOOK_HOME": str(self.path), **self.given, **extra}

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
        """`python orchestrate.py ...`, from a folder other than the project's."""
        return warm.runner().run([str(ROOT / "orchestrate.py"), *arguments], self.environment(**extra), self.path)

    def dbt(self, *arguments: str, macros: dict[str, str] | None = None, **extra: str) -> subprocess.CompletedProcess:
        """Plain dbt in the project's folder. `macros`: see tests/python/planted.py."""
        return warm.runner().run(["dbt", *arguments], self.environment(**extra), ROOT, macros=macros)

    def typed(self, *arguments: str) -> subprocess.CompletedProcess:
        """As `run`, but by a new Python that imports everything itself, like a user's."""
        command = [sys.executable, str(ROOT / "orchestrate.py"), *arguments]
        return subprocess.run(
            command, env=self.environment(), cwd=self.path, capture_output=True, text=True, timeout=580
        )

    def query(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.path / "warehouse.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)

    def partition(self, relation: str = "marts.fct_account_scores", key: str = "account_id") -> dict[str, tuple]:
        """key -> (pd, feature_digest) of every row."""
        rows = self.query(f"select {key}, pd, feature_digest from {relation}")
        return {row[0]: row[1:] for row in rows}


@contextmanager
def at_home(home: Home) -> Iterator:
    """Let this process's library act on a home. Yields MLflow's client of its registry."""
    from nightbook.registry import mlflow_store

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("NIGHTBOOK_", "MLFLOW_TRACKING"))]:
            patch.delenv(name)
        # A new path each time, because MLflow keeps a store open by its path, and tests put other files there.
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "home"
        path.symlink_to(home.path.resolve())
        patch.setenv("NIGHTBOOK_HOME", str(path))
        if home.registry:
            patch.setenv("MLFLOW_TRACKING_URI", home.registry)
        yield mlflow_store.client()


def landed_alone(home: Home, there: Home) -> None:
    """Put what has landed in another home into an empty one, as a lender has it before the first run."""
    with duckdb.connect(str(there.path / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{home.path / 'warehouse.duckdb'}' as whole (read_only)")
        connection.execute("create schema raw")
        for (name,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = 'whole' and schema_name = 'raw'"
        ).fetchall():
            connection.execute(f"create table raw.{name} as from whole.raw.{name}")


def second_version(home: Home, is_on_record: bool) -> None:
    """Make version 2 of account_pd, a copy of the champion: left by a training, or added to MLflow by hand."""
    with at_home(home) as client:
        first = client.get_model_version("account_pd", "1")
        client.create_model_version("account_pd", first.source, run_id=first.run_id, tags=first.tags)
        if is_on_record:
            with duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
                recorded.put_on_record(connection, "account_pd", 2)


def ok(done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def refused(done: subprocess.CompletedProcess) -> str:
    """The one line of a refusal, the last one. Before it there is only what the command was doing, and for how long."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    *before, line = done.stderr.strip().splitlines() or [""]
    assert line.startswith("nightbook: "), done.stderr
    assert all(re.fullmatch(r"(?!nightbook: )[A-Z].*, \d+ s", one) for one in before), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return line


def once(tmp_path_factory, name: str, make) -> Path:
    """A folder made by whichever worker needs it first, and read by all of them."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tmp_path_factory.mktemp(name)
        make(folder)
        return folder
    folder = tmp_path_factory.getbasetemp().parent / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            assert not folder.exists(), f"{name} could not be made: see the first test that asked for it"
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> tuple[Home, str]:
    """The home that the demo leaves, and what it printed. Tests only read it, because other workers may too."""

    def make(folder: Path) -> None:
        (folder / "said.txt").write_text(ok(Home(folder).typed("demo")).stdout)

    folder = once(tmp_path_factory, "demo", make)
    return Home(folder), (folder / "said.txt").read_text()


@pytest.fixture(scope="session")
def small(demo, tmp_path_factory) -> Home:
    """A small part of the demo's lender, landed as tables that a test can change, and scored by the demo's champions.

    It has every fifteenth customer. Registry and record are the demo's.
    """
    registry = f"sqlite:///{demo[0].path / 'mlflow.db'}"

    def make(folder: Path) -> None:
        home = Home(warm.runner().at(folder), registry=registry)
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            connection.execute(f"attach '{demo[0].path / 'warehouse.duckdb'}' as whole (read_only)")
            connection.execute("create schema raw")
            connection.execute(
                "create temp table chosen as select distinct customer_id from whole.raw.customers"
                " where cast(substr(customer_id, 2) as bigint) % 15 = 0"
            )
            connection.execute(
                "create temp table chosen_accounts as select distinct account_id from whole.raw.accounts"
                " semi join chosen using (customer_id)"
            )
            for table in LANDING:
                columns = [row[0] for row in connection.execute(f"describe whole.raw.{table}").fetchall()]
                chosen = next((f"chosen{'' if key == 'customer_id' else '_accounts'} using ({key})"
                               for key in ("customer_id", "account_id") if key in columns), None)  # fmt: skip
                source = f"whole.raw.{table}" + (f" semi join {chosen}" if chosen else "")
                connection.execute(f"create table raw.{table} as select * from {source}")
            recorded.settle(connection, "whole")
        ok(home.run("score"))

    return Home(once(tmp_path_factory, "small", make), registry=registry)


@pytest.fixture
def settle(tmp_path):
    """A function that makes the test's folder a home from a copied warehouse, which the test may change.

    `warehouse` and `store` are the homes whose warehouse and registry are copied, `registry` is the address of a
    registry to share.
    """

    def settle(warehouse: Path | None = None, registry: str | None = None, store: Path | None = None) -> Home:
        if warehouse:
            copy_warehouse(warehouse, tmp_path)
        if store:
            copy_store(store, tmp_path)
        return Home(warm.runner().at(tmp_path), registry=registry)

    return settle


@pytest.fixture
def with_champions(demo, settle):
    """A home without any data that scores with the demo's champions."""
    home = settle(registry=f"sqlite:///{demo[0].path / 'mlflow.db'}")
    with duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{demo[0].path / 'warehouse.duckdb'}' as whole (read_only)")
        recorded.settle(connection, "whole")
    return home


@pytest.fixture
def copy(small, demo, settle) -> Home:
    """A copy of the small home that a test may change, with a copy of the demo's registry."""
    return settle(small.path, store=demo[0].path)


@pytest.fixture(scope="session")
def uci_file() -> Path:
    """The UCI file, which is not part of the project."""
    if not UCI_FILE.exists():
        message = f"needs {UCI_FILE.name} in shared/data/uci_taiwan beside the checkout; download it from UCI (350)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return UCI_FILE
