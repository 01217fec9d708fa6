"""The committed sample has the same features on both engines, to the bit. A macro that is wrong on one is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from nightbook.scoring import scorer

from tests.python import warm
from tests.python.planted import ANY_PART
from tests.rehearsal import parity, running

ROOT = Path(__file__).resolve().parents[3]

RELATIONS = {
    "intermediate.int_customer_exposures": ["customer_id", "as_of_date"],
    "inputs.int_input_profile": ["table_name", "column_name", "category", "measure"],
    "scoring.accounts_tonight": ["account_id", "as_of_date"],
    "scoring.applications_tonight": ["application_id", "as_of_date"],
}
QUIET = ("--quiet", "--no-use-colors")
LAND = ("seed", "--selector", "ci_landing")
NIGHT = (
    "build",
    "--exclude-resource-type",
    "test",
    "unit_test",
    "--select",
    "+accounts_tonight",
    "+applications_tonight",
)
# This Python model returns nothing before there is a champion. Its empty relation is created by hand.
NO_CHAMPION = ("--exclude", "champion_inputs")
TYPES = {"string": "varchar", "int32": "integer", "double": "double"}


@pytest.fixture(scope="module")
def duckdb_home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("duckdb")
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        for statement in an_empty_profile():
            warehouse.execute(statement)
    here = warm.runner().at(home)
    for command in (LAND, (*NIGHT, *NO_CHAMPION)):
        ok(
            warm.runner().run(
                ["dbt", *QUIET, *command], warm.clean() | {"NIGHTBOOK_HOME": str(here)}, ROOT, macros=ANY_PART
            )
        )
    return home


@pytest.fixture(scope="module")
def snowflake(tmp_path_factory) -> dict[str, str]:
    """The environment of a Snowflake account that ran the same night."""
    with running.account(tmp_path_factory.mktemp("snowflake")) as environment:
        with running.connected(environment) as connection:
            for statement in an_empty_profile():
                connection.cursor().execute(statement)
        for command in (LAND, (*NIGHT, *NO_CHAMPION)):
            ok(warm.account().run(["dbt", *QUIET, *command], environment, ROOT, macros=ANY_PART))
        yield environment


def test_every_feature_is_the_same(duckdb_home, snowflake):
    ours, theirs = rows_of_both(duckdb_home, snowflake, RELATIONS)
    for relation, key in RELATIONS.items():
        assert ours[relation].num_rows > 20
        assert (parity.difference(relation, key, ours[relation], theirs[relation])) is None


def test_a_macro_that_is_wrong_on_one_engine_is_found(duckdb_home, snowflake, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".nightbook*", "python", "rehearsal"))
    numbers = copy / "macros" / "dialect" / "numbers.sql"
    right = "cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0)"
    assert right in numbers.read_text()
    (copy / "macros" / "operations" / "refuse_partial_run.sql").write_text(ANY_PART["refuse_partial_run"])
    numbers.write_text(numbers.read_text().replace(right, right.replace("nullif", "1.0000001 / nullif")))
    broken = snowflake | {"NIGHTBOOK_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *QUIET, "run", "--select"]
    command += ["feat_application_request", "feat_applications"]
    ok(subprocess.run(command, cwd=copy, env=broken, capture_output=True, text=True))
    relation = "scoring.applications_tonight"
    ours, theirs = rows_of_both(duckdb_home, snowflake, [relation])
    found = parity.difference(relation, RELATIONS[relation], ours[relation], theirs[relation])
    assert found.column in ("requested_to_income", "instalment_to_income")
    assert found.duckdb != found.snowflake and str(found).startswith(f"{relation} (")


def rows_of_both(home: Path, environment: dict[str, str], relations) -> tuple[dict, dict]:
    """Rows of each relation on DuckDB and on Snowflake, names in lower case."""
    fetch = parity.of_duckdb(home)
    ours = {relation: fetch(f"select * from {relation}") for relation in relations}
    theirs = {}
    with running.connected(environment, arrow_number_to_decimal=True) as connection:
        for relation in relations:
            found = connection.cursor().execute(f"select * from {relation}").fetch_arrow_all(force_return_table=True)
            theirs[relation] = found.rename_columns([name.lower() for name in found.column_names])
    return ours, theirs


def an_empty_profile() -> tuple[str, str]:
    columns = ", ".join(f"{field.name} {TYPES[str(field.type)]}" for field in scorer.INPUT_SCHEMA)
    return "create schema if not exists inputs", f"create table inputs.champion_inputs ({columns})"


def ok(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
