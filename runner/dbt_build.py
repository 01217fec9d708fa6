"""Run dbt in this process, with progress while it runs and one line per cause when it fails."""

import contextlib
import gc
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightbook import provenance
from nightbook.engine import home, messages
from nightbook.errors import NightbookError
from runner import progress

# Finds the NightbookError of a Python model at the end of the traceback that dbt reports.
_USER_ERROR = re.compile(r"^\s*nightbook\.errors\.NightbookError: (.+)$", re.MULTILINE)


class Failed(NightbookError):
    """A build that started and failed."""


@dataclass(frozen=True)
class Build:
    """Figures of a finished build: wall seconds, nodes built, tests, the rules in them, and the tests that warned."""

    run_id: str
    seconds: float
    models: int
    tests: int
    rules: int
    warnings: tuple[str, ...]


def build(selector: str, title: str) -> Build:
    """Run `dbt build --selector ...` and return what it did.

    Unit tests are left out. They test the code in every pull request, not tonight's data.

    Raises:
        Failed: a node failed. The message is the first cause in one line, and how many more there were.
        NightbookError: dbt could not start.
    """
    started = time.monotonic()
    os.environ.setdefault("NIGHTBOOK_ACTOR", home.actor())
    result = _invoke(title, ["build", "--selector", selector, "--exclude-resource-type", "unit_test"])
    failed = [one for one in result.result.results if one.status in ("error", "fail")]
    if failed:
        more = f" (and {len(failed) - 1} more; see {home.home() / 'logs' / 'dbt.log'})" if len(failed) > 1 else ""
        raise Failed(_cause(failed[0]) + more)
    done = list(result.result.results)
    tests = [one.node.name for one in done if one.node.resource_type == "test"]
    return Build(
        run_id=_run_id(),
        seconds=time.monotonic() - started,
        models=sum(one.node.resource_type in ("model", "seed", "snapshot") for one in done),
        tests=len(tests),
        rules=_rules(tests),
        warnings=tuple(one.node.name + _such_as(one.node.compiled_code) for one in done if one.status == "warn"),
    )


def parse() -> None:
    """Let dbt parse the project, so that its manifest matches the files.

    Raises:
        NightbookError: the project is not valid.
    """
    _invoke("Reading the project", ["parse"])


def compile_all(selector: str) -> None:
    """Let dbt compile the SQL of a selector. The result is in the home, as after a build.

    Raises:
        NightbookError: the project is not valid, or the warehouse refuses.
    """
    result = _invoke("Compiling", ["compile", "--selector", selector])
    for one in result.result.results:
        if one.status == "error":
            raise NightbookError(_cause(one))


def compiled(*models: str) -> dict[str, str]:
    """Return the compiled SQL of models, by name. Only the queries that compilation itself makes are run.

    Raises:
        NightbookError: the project is not valid, or the warehouse is in use.
    """
    # By default dbt would also compile the tests of each model.
    result = _invoke("Compiling", ["compile", "--indirect-selection", "empty", "--select", *models])
    for one in result.result.results:
        if one.status == "error":
            raise NightbookError(_cause(one))
    return {one.node.name: one.node.compiled_code for one in result.result.results}


def operate(macro: str, arguments: dict | None = None) -> None:
    """Run a macro, as `dbt run-operation` does.

    Raises:
        NightbookError: the project is not valid, the warehouse is in use, or it refuses.
    """
    # dbt reports a macro's error only as an event, not in the result.
    errors: list[str] = []

    def hear(event: Any) -> None:
        if event.info.name in ("RunningOperationCaughtError", "RunningOperationUncaughtError"):
            errors.append(event.data.exc)

    result = _invoke(f"Running {macro}", ["run-operation", macro, "--args", json.dumps(arguments or {})], hear)
    if not result.success:
        raise NightbookError(messages.one_line("".join(errors) or result.result.results[0].message or ""))


def document(folder: Path) -> str | None:
    """Let dbt write its docs into a folder: index.html, manifest.json and catalog.json.

    Returns:
        None, or the reason why the docs lack compiled SQL. Some SQL queries the warehouse when it compiles, and the
        warehouse may be older than the project.

    Raises:
        NightbookError: the project is not valid, or the warehouse refuses.
    """
    target = ["--target-path", str(folder)]
    arguments = ["docs", "generate", *target]
    try:
        if _invoke("Writing dbt's docs", arguments).success:
            return None
        reason = f"see {home.home() / 'logs' / 'dbt.log'}"
    except NightbookError as error:
        reason = str(error)
    # Without compiling, dbt takes the manifest that `parse` left.
    _invoke("Reading the project", ["parse", *target])
    if not _invoke("Writing dbt's docs", [*arguments, "--no-compile"]).success:
        raise NightbookError(f"dbt could not write its docs: {reason}")
    return reason


def _invoke(title: str, arguments: list[str], *callbacks: Callable[[Any], None]) -> Any:
    # dbt creates about a million small objects that live long. With Python's default thresholds, garbage collection
    # costs a tenth of the build.
    gc.set_threshold(100_000, 20, 20)
    from dbt.cli.main import dbtRunner

    home.home().mkdir(parents=True, exist_ok=True)
    # dbt copies this variable into the manifest. `make changed` compares it to see that the library was edited.
    os.environ["DBT_ENV_CUSTOM_ENV_NIGHTBOOK_LIBRARY"] = provenance.library_digest()
    logs = ["--log-path", str(home.home() / "logs"), "--log-level", "none", "--log-level-file", "info"]
    try:
        with progress.doing(title, "nodes") as work, _quiet():
            work.tell(part="dbt reads the project")
            result = dbtRunner(callbacks=[*callbacks, _follower(work)]).invoke([*logs, *arguments])
    finally:
        _release()
    if result.exception is not None:
        raise NightbookError(messages.one_line(str(result.exception)))
    return result


def _release() -> None:
    """Close the warehouse file, which dbt-duckdb otherwise keeps open until the process ends."""
    if home.is_account():
        return
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()
    gc.collect()


def _run_id() -> str:
    results = json.loads((home.home() / "target" / "run_results.json").read_text())
    return results["metadata"]["invocation_id"]


def _rules(tests: list[str]) -> int:
    """How many rules tests hold, as fct_test_rules says. A selection without that relation has one for each test."""
    import duckdb
    from nightbook.engine import warehouse

    try:
        with warehouse.asking() as query:
            if not tests or not warehouse.has(query, "operations", "fct_test_rules"):
                return len(tests)
            places = ", ".join("?" * len(tests))
            asked = f"select count(*) as rules from operations.fct_test_rules where test_node in ({places})"
            return int(query(asked, tests)[0]["rules"])
    except (duckdb.Error, NightbookError):
        # The run is over and on record. Somebody who reads the warehouse now must not make it fail.
        return len(tests)


def _cause(failure: Any) -> str:
    """Describe a failed node in one line: its own message, or for a test what a failing row means."""
    node, message = failure.node, failure.message or ""
    user_errors = _USER_ERROR.findall(message)
    if user_errors:
        return user_errors[-1]
    if messages.is_raised(message):
        return messages.one_line(message)
    if node.resource_type == "test" and failure.status == "fail":
        meaning = " ".join((node.description or "").split())
        row = _failing_row(node.compiled_code)
        if "failing_rows" in row:
            return _broken(node, row, failure.failures - 1)
        return f"{node.name}: {failure.failures} failing rows{_in_words(row)}. {meaning}".rstrip()
    return f"{node.name}: {messages.one_line(message)}"


def _broken(node: Any, row: dict, others: int) -> str:
    """Say in one line which rule of a relation is broken, by how many rows, and how many other rules are."""
    relation = (node.attached_node or node.name).split(".")[-1]
    # A test's own description is that of the key.
    meaning = row["meaning"] or (node.description if row["rule"] == "unique" else "")
    more = f" (and {others} more of its rules)" if others else ""
    return " ".join(
        f"{relation}.{row['column_name']}: {row['failing_rows']} rows break the rule {row['rule']}, such as"
        f" {row['example']}{more}. {meaning or ''}".split()
    )


def _such_as(sql: str | None) -> str:
    """Show the first failing row of a test in words."""
    return _in_words(_failing_row(sql))


def _in_words(row: dict) -> str:
    values = ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
    return f", such as {values}" if values else ""


def _failing_row(sql: str | None) -> dict:
    """The first failing row of a test. It is empty if the warehouse cannot be queried again."""
    import duckdb
    from nightbook.engine import warehouse

    try:
        with warehouse.asking() as query:
            [row] = query(f"select * from (\n{sql}\n) as failing limit 1")
    except (duckdb.Error, NightbookError, ValueError):
        return {}
    return row


def _follower(work: progress.Work) -> Callable[[Any], None]:
    """Follow a build by dbt's events. Of the nodes that run, the one that began first is shown."""
    running: list[str] = []

    def on_event(event: Any) -> None:
        name = event.info.name
        if name == "ConcurrencyLine":
            work.tell(total=event.data.node_count or None, part="")
        elif name == "NodeStart":
            running.append(event.data.node_info.node_name)
            work.tell(part=next(iter(running), ""))
        elif name == "NodeFinished":
            with contextlib.suppress(ValueError):
                running.remove(event.data.node_info.node_name)
            # Several threads of dbt call this, so the list may be empty a moment later.
            work.tell(done=work.done + 1, part=next(iter(running), ""))

    return on_event


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep libraries' log messages off the terminal while dbt runs. Errors are reported through the result."""
    logging.disable(logging.WARNING)
    # On a full disk, logging would print a traceback for each line that it could not write.
    raises, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        logging.raiseExceptions = raises
        logging.disable(logging.NOTSET)
