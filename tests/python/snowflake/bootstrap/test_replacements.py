"""A replacement whose insert fails leaves the old rows in place, on Snowflake as on DuckDB.

The adapter and the project's strategies are real. There is one model per strategy, with rows that cannot be inserted.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.python import warm
from tests.python.snowflake.bootstrap.conftest import ROOT
from tests.rehearsal import running

# Each relation, with rows that its replacement deletes and rows that it keeps.
THERE = {
    "a_partition": ("as_of_date date, run_id varchar, n integer",
                    "('2026-06-30', 'r1', 1), ('2026-05-31', 'r0', 2)"),
    "a_run": ("run_id varchar, n integer", "('r2', 1), ('r1', 2)"),
    "a_stale": ("account_id varchar, kept_for varchar, n integer", "('A1', 'month', 1), ('A2', 'month', 2)"),
    "broken_off": ("run_id varchar, n integer", "('killed', 1), ('r1', 2)"),
    "broken_off_verdicts": (
        "model_name varchar, run_id varchar, rule varchar, mlflow_run_id varchar, n integer",
        "('m', 'killed', 'auc', 'f', 1), ('m', 'killed', 'ks', 'f', 2), ('m', 'r1', 'auc', 'f', 3)",
    ),
    "broken_off_versions": (
        "model_name varchar, model_version integer, run_id varchar, mlflow_run_id varchar, n integer",
        "('m', 1, 'killed', 'f', 1), ('m', 2, 'r1', 'g', 2), ('m', 3, 'killed', 'h', 3)",
    ),
}  # fmt: skip
LEFT = {
    "a_partition": [2],
    "a_run": [2],
    "a_stale": [2],
    "broken_off": [2],
    "broken_off_verdicts": [2, 3],
    "broken_off_versions": [2, 3],
}
MODELS = {
    "int_run": ("materialized='table'", "select cast('2026-06-30' as date) as as_of_date, 'r2' as run_id"),
    "int_gate_verdicts": ("materialized='table'", "select 'm' as model_name, 'f' as mlflow_run_id"),
    "registrations": (
        "materialized='table'",
        "select * from (values ('m', 1, 'f'), ('m', 3, 'h')) as made (model_name, model_version, mlflow_run_id)",
    ),
    "a_partition": (
        "incremental_strategy='replace_partition'",
        "select as_of_date, run_id, VALUE from {{ ref('int_run') }}",
    ),
    "a_run": (
        "incremental_strategy='replace_run', accounts_at_a_time=1",
        "select run_id, VALUE from {{ ref('int_run') }}",
    ),
    "int_history_changes": (
        "materialized='table'",
        "select 'a_stale' as kept_relation, 'kept_month' as change, cast('2026-05-01' as date) as month_start,"
        " cast(null as varchar) as relation_name, cast(null as varchar) as load_id,"
        " cast(null as timestamp) as loaded_after",
    ),
    "a_stale": (
        "incremental_strategy='replace_stale'",
        "-- depends_on: {{ ref('int_history_changes') }}\nselect 'A1' as account_id, 'gone by' as kept_for, VALUE",
    ),
    "broken_off": ("incremental_strategy='replace_broken_off'", "select 'r2' as run_id, VALUE"),
    "broken_off_verdicts": (
        "incremental_strategy='replace_broken_off_verdicts'",
        "select model_name, 'r2' as run_id, 'auc' as rule, mlflow_run_id, VALUE from {{ ref('int_gate_verdicts') }}",
    ),
    "broken_off_versions": (
        "incremental_strategy='replace_broken_off_versions'",
        "select model_name, model_version, 'r2' as run_id, mlflow_run_id, VALUE from {{ ref('registrations') }}",
    ),
}  # fmt: skip
# dbt orders nodes by depth and runs one at a time on one thread, so this is the last.
NEXT = "zz_next"
MODELS |= {
    "z_before": ("materialized='table'", "select n.run_id from {{ ref('int_run') }} as n"),
    NEXT: ("materialized='table'", "select run_id from {{ ref('z_before') }}"),
}
END = """
{% macro at_the_end() %}
    {%- set note = "it's $$; $$$ -- end; \\\\ :n" -%}
    {%- call statement('end', auto_begin=true) -%}
        {{ in_one_transaction('insert into kept.notes select ' ~ text_literal(note) ~ ' as note') }}
    {%- endcall -%}
{% endmacro %}
"""


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with running.account(tmp_path_factory.mktemp("account")) as environment:
        yield environment


@pytest.fixture
def replaced(account, tmp_path):
    """A function that fills the relations, runs the models once, and returns what the relations hold afterwards."""

    def replaced(number: str, change=lambda macros: None) -> dict[str, list[int]]:
        write_project(tmp_path, number)
        change(tmp_path / "macros")
        with running.connected(account) as connection:
            say = connection.cursor().execute
            for schema in ("audit", "kept"):
                say(f"create schema if not exists {schema}")
            say("create or replace table audit.run_log as select 'r1' as run_id")
            say(
                "create or replace table audit.audit_chain as select * from (values ('gate_decision', 'm killed ks'),"
                " ('model_version', 'm version 3')) as entries (kind, subject)"
            )
            say("create or replace table kept.notes (note varchar)")
            for name, (columns, rows) in THERE.items():
                say(f"create or replace table kept.{name} ({columns})")
                say(f"insert into kept.{name} values {rows}")
        done = run(tmp_path, account)
        assert (tmp_path / "target" / "run_results.json").exists(), done.stdout + done.stderr
        results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
        *others, last, at_the_end = ((one["unique_id"].split(".")[2], one["status"]) for one in results)
        # A later node of the same session ran after every failure.
        assert last == (NEXT, "success") and at_the_end[1] == "success", results
        failed = {name for name, status in others if status == "error"}
        assert failed == (set() if number.isdigit() else THERE.keys()), results
        with running.connected(account) as connection:
            say = connection.cursor().execute
            assert say("select note from kept.notes").fetchall() == [("it's $$; $$$ -- end; \\ :n",)]
            return {name: [row[0] for row in say(f"select n from kept.{name} order by n").fetchall()] for name in THERE}

    return replaced


def write_project(folder: Path, number: str) -> None:
    """A project with the models above and this project's macros. Macros refer to its name, so that is the same too."""
    for part in ("dialect", "history", "operations", "snowflake"):
        shutil.copytree(ROOT / "macros" / part, folder / "macros" / part, ignore=shutil.ignore_patterns("*.yml"))
    (folder / "macros" / "at_the_end.sql").write_text(END)
    (folder / "dbt_project.yml").write_text(
        "name: nightbook\nprofile: nightbook\non-run-end: '{{ at_the_end() }}'\n"
        "models: {+materialized: incremental, +schema: kept}\nflags: {send_anonymous_usage_stats: false}\n"
    )
    models = folder / "models"
    models.mkdir()
    for name, (config, sql) in MODELS.items():
        (models / f"{name}.sql").write_text(f"{{{{ config({config}) }}}}\n{sql.replace('VALUE', f'{number} as n')}\n")
    tables = "[{name: run_log}, {name: audit_chain}]"
    (models / "sources.yml").write_text(f"sources: [{{name: audit, schema: audit, tables: {tables}}}]\n")


def run(folder: Path, account: dict[str, str]) -> subprocess.CompletedProcess:
    script = str(Path(__file__).with_name("mini.py"))
    said = ["--quiet", "--no-use-colors", "run", "--threads", "1", "--profiles-dir", str(ROOT)]
    environment = account | {"NIGHTBOOK_HOME": str(folder), "DBT_TARGET_PATH": str(folder / "target")}
    return warm.account().run([script, *said], environment, folder)


def test_what_succeeds_replaces_what_it_should(replaced):
    assert replaced("7") == {name: [*left, 7] for name, left in LEFT.items()}


def test_an_insert_that_fails_leaves_everything_as_it_was(replaced):
    assert replaced("'odd'") == {name: [1, *left] for name, left in LEFT.items()}


def test_dbt_alone_would_have_lost_what_it_deleted(replaced):
    """The fault itself: with the adapter's own macro, the next model commits the delete."""

    def without_the_block(macros: Path) -> None:
        file = macros / "dialect" / "rows.sql"
        plain, count = re.subn(
            r"{% macro snowflake_dml_explicit_transaction.*?{%- endmacro %}", "", file.read_text(), flags=re.DOTALL
        )
        file.write_text(plain.replace("(statements))", "(statements.strip().rstrip(';')))"))
        assert count == 1

    assert replaced("'odd'", without_the_block) == LEFT
