"""One line for a failed node, made from what dbt reports."""

import os
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from nightbook.engine import home, messages
from nightbook.errors import NightbookError
from runner import dbt_build

from tests.python.library.library_store import book

PROJECT = Path(dbt_build.__file__).parents[1]


@dataclass
class Node:
    name: str
    resource_type: str = "model"
    description: str = ""
    compiled_code: str | None = None
    attached_node: str | None = None


@dataclass
class Failure:
    node: Node
    message: str | None
    status: str = "error"
    failures: int | None = None


def python_model_message(call) -> str:
    """An exception of a Python model as dbt-duckdb words it, indented by dbt."""
    try:
        call()
    except Exception as error:
        text = "Python model failed:\n" + "".join(traceback.format_exception(error))
    return "Runtime Error in model champions (python_models/scoring/champions.py)\n" + "".join(
        f"  {line}\n" for line in text.splitlines()
    )


def chained() -> None:
    try:
        raise NightbookError("the first of the two")
    except NightbookError as error:
        raise NightbookError("what to put right: do that") from error


def test_users_error_of_a_python_model(empty_home):
    message = python_model_message(lambda: book().record().champion("account_pd"))
    assert message.count("\n") > 5
    cause = dbt_build._cause(Failure(Node("champions"), message))
    assert cause.startswith("account_pd has no champion: train it, then approve a version with `python orchestrate.py")
    assert cause.endswith("--change-request ID`")


def test_last_error_of_a_chain_is_the_cause():
    cause = dbt_build._cause(Failure(Node("champions"), python_model_message(chained)))
    assert cause == "what to put right: do that"


def deep() -> None:
    duckdb.sql("select no_such_column")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: {}["as_of_date"], "KeyError: 'as_of_date'"),
        (deep, "BinderException: Binder Error: Referenced column"),
        (lambda: [][1], "IndexError: list index out of range"),
    ],
)
def test_programming_error_of_a_python_model_is_named(call, expected):
    cause = dbt_build._cause(Failure(Node("champions"), python_model_message(call)))
    assert cause.startswith("champions: ") and expected in cause and cause.endswith(" (see the log)")
    assert "Traceback" not in cause and "\n" not in cause


def test_failing_test_says_what_a_row_means():
    node = Node("assert_positive", "test", "A failing row is an account\n  whose balance is negative.\n")
    failure = Failure(node, "Got 3 results, configured to fail if != 0", "fail", 3)
    assert dbt_build._cause(failure) == (
        "assert_positive: 3 failing rows. A failing row is an account whose balance is negative."
    )
    failure.node.description = ""
    assert dbt_build._cause(failure) == "assert_positive: 3 failing rows."


def test_failing_test_shows_its_first_row(empty_home):
    with duckdb.connect(str(home.warehouse())) as connection:
        connection.execute("create table books as select 'A1' as account_id, 3 as balance, null as other")
    node = Node("assert_none", "test", "A row is an account.", "select * from books order by 1")
    failure = Failure(node, "Got 1 result, configured to fail if != 0", "fail", 1)
    assert dbt_build._cause(failure) == (
        "assert_none: 1 failing rows, such as account_id=A1, balance=3. A row is an account."
    )
    node.compiled_code = "select * from gone"
    assert dbt_build._cause(failure) == "assert_none: 1 failing rows. A row is an account."


def test_broken_rule_names_relation_column_count_and_a_row(empty_home):
    duckdb.connect(str(home.warehouse())).close()
    sql = "select 'pd' as column_name, 'accepted_range 0, 1' as rule, 3 as failing_rows, 'id=A1, pd=2' as example,"
    node = Node("keeps_rules_scores_", "test", "A row is a\n  score made twice.", f"{sql} 'Above\n 1.' as meaning")
    node.attached_node = "model.nightbook.scores"
    failure = Failure(node, "Got 2 results, configured to fail if != 0", "fail", 2)
    assert dbt_build._cause(failure) == (
        "scores.pd: 3 rows break the rule accepted_range 0, 1, such as id=A1, pd=2 (and 1 more of its rules). Above 1."
    )
    node.compiled_code = "select 'id' as column_name, 'unique' as rule, 2 as failing_rows, 'id=A1' as example,"
    node.compiled_code += " null as meaning"
    failure.failures = 1
    assert dbt_build._cause(failure) == (
        "scores.id: 2 rows break the rule unique, such as id=A1. A row is a score made twice."
    )


def test_raised_on_purpose_is_the_sentence_alone():
    message = (
        "Compilation Error in model int_run (models/intermediate/int_run.sql)\n  payments: 3 rows,\n  too few\n  \n"
    )
    message += (
        "  > in macro stop_on_bad_input (macros/inputs/input_gate.sql)\n  > called by model int_run (models/a.sql)"
    )
    assert dbt_build._cause(Failure(Node("int_run"), message)) == "payments: 3 rows, too few"


def test_test_that_could_not_run_says_why():
    node = Node("assert_positive", "test", "A failing row is an account.")
    message = "Runtime Error in test assert_positive (tests/a.sql)\n  Binder Error: no column balance\n"
    assert dbt_build._cause(Failure(node, message)) == (
        "assert_positive: Runtime Error in test assert_positive (tests/a.sql) Binder Error: no column balance"
    )


def test_sql_error_keeps_its_first_lines():
    message = "\n\nRuntime Error in model a (models/a.sql)\n\n  Binder Error: x\n  LINE 1: select x\n     ^\n  hint\n"
    expected = "Runtime Error in model a (models/a.sql) Binder Error: x LINE 1: select x"
    assert messages.one_line(message) == expected
    assert dbt_build._cause(Failure(Node("a"), message)) == f"a: {expected}"


@pytest.mark.parametrize("message", ["", None, " \n "])
def test_no_message(message):
    assert dbt_build._cause(Failure(Node("a"), message)) == "a: failed without a message; see the log"


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_locked_warehouse_names_who_holds_it(empty_home):
    command = [sys.executable, "-c", HOLD, str(home.warehouse())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(duckdb.IOException) as caught:
            duckdb.connect(str(home.warehouse()))
        holder.stdin.close()
    message = f"Runtime Error\n  {caught.value}"
    expected = f"{home.warehouse()} is in use by process {holder.pid}: wait for it to end, or stop it"
    assert messages.one_line(message) == expected


def test_a_full_disk_is_named_by_its_folder(empty_home):
    message = 'IO Error: Could not write all bytes to file "/a/b.tmp": No space left on device\n  more of it\n'
    assert (
        messages.one_line(message)
        == f"{empty_home}: No space left on device: free some space, then run this command again"
    )


def test_docs_are_written_without_the_sql_that_cannot_be_compiled(tmp_path):
    """A model queries a relation that is not in the warehouse. Later its SQL no longer does."""
    warehouse = tmp_path / "warehouse.duckdb"
    files = {
        "dbt_project.yml": "{name: small, profile: small, model-paths: [models]}",
        "profiles.yml": f"small: {{target: d, outputs: {{d: {{type: duckdb, path: {warehouse}}}}}}}",
        "models/asks.sql": "select '{{ run_query('select gone from left_behind') if execute }}' as answer",
    }
    (tmp_path / "models").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    script = """
from pathlib import Path
from runner import dbt_build
print("first:", dbt_build.document(Path("one")))
Path("models/asks.sql").write_text("select 1 as answer")
print("then:", dbt_build.document(Path("two")))
"""
    environment = os.environ | {
        "NIGHTBOOK_HOME": str(tmp_path),
        "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'python_models'}",
        "NIGHTBOOK_TARGET": "duckdb",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, then = done.stdout.splitlines()
    assert first.startswith("first: ") and "left_behind" in first and then == "then: None"
    for folder in ("one", "two"):
        assert "model.small.asks" in (tmp_path / folder / "manifest.json").read_text()
        assert (tmp_path / folder / "index.html").exists() and (tmp_path / folder / "catalog.json").exists()
