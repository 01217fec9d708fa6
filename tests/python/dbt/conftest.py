"""The dbt project, parsed once per session in its own home. dbt compiles its macros; DuckDB runs them in memory."""

import contextlib
import functools
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

ROOT = Path(__file__).resolve().parents[3]


class Project:
    """This project in a temporary home, run in this process. A separate dbt per call would cost four seconds."""

    def __init__(self, home: Path):
        self.home = home
        self.manifest = None
        self.manifest = self.invoke("parse").result
        # dbt does this after parsing, but not for a manifest that it is given.
        self.manifest.build_flat_graph()

    def invoke(self, *arguments: str, **environment: str):
        """Run a dbt command with extra environment variables. Returns its result, failed or not."""
        from dbt.cli.main import dbtRunner

        # A build reads the manifest file to compute its code digest.
        options = [
            "--quiet",
            "--no-partial-parse",
            *([] if "build" in arguments else ["--no-write-json"]),
            "--no-populate-cache",
            "--log-path",
            str(self.home / "logs"),
        ]
        folders = ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        with self._environment(**environment):
            try:
                return dbtRunner(manifest=self.manifest).invoke([*options, *arguments, *folders])
            finally:
                _release()

    @functools.cache  # noqa: B019 - lives as long as the session
    def compile(self, sql: str, **variables: str) -> str:
        """Compile Jinja to SQL with every macro of the project. `variables` are dbt's.

        Raises:
            Exception: dbt's error.
        """
        result = self.invoke("compile", "--inline", sql, "--vars", json.dumps(variables))
        if not result.success:
            raise result.exception or RuntimeError(result.result.results[0].message)
        return result.result.results[0].node.compiled_code

    def query(
        self,
        sql: str,
        setup: Iterable[str] = (),
        tables: dict[str, pa.Table] | None = None,
        threads: int = 1,
        **variables: str,
    ) -> list[tuple]:
        """Compile a query and run it in memory. `setup` creates the relations of the project that it reads."""
        compiled = self.compile(sql, **variables)
        with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False}) as connection:
            connection.execute("attach ':memory:' as warehouse")
            for schema in ("intermediate", "reference", "marts"):
                connection.execute(f"create schema warehouse.{schema}")
            for name, table in (tables or {}).items():
                connection.register("arrived", table)
                connection.execute(f"create table {name} as select * from arrived")
                connection.unregister("arrived")
            for statement in setup:
                connection.execute(statement)
            return connection.execute(compiled).fetchall()

    @contextlib.contextmanager
    def _environment(self, **more: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("NIGHTBOOK_")]:
                patch.delenv(name)
            for name, value in {"NIGHTBOOK_HOME": str(self.home), **more}.items():
                patch.setenv(name, value)
            yield


def _release() -> None:
    """Close the warehouse file, which dbt-duckdb otherwise keeps open until the process ends."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    return Project(tmp_path_factory.mktemp("dbt_home"))
