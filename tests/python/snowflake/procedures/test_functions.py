"""Scores by temporary functions: the same bits as DuckDB, and at most one batch of the book outside the engine."""

import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from nightbook.modelling import training
from nightbook.modelling.boosting import FeatureSpec
from nightbook.registry import model_versions
from nightbook.scoring import scorer, snowflake_handlers
from snowflake.connector.errors import ProgrammingError

FEATURES = [FeatureSpec(f"f{number}") for number in range(12)]
ACCOUNTS = 100_000
CHAMPION = "scorer.scores(session, chosen, model.model_name, session.table(table), 'account_id')"
AS_CHALLENGER = "challenger_scores.scores(session, chosen, {model.model_name: (session.table(table), 'account_id')})"
BODY = """
def main(session):
    import json, sys
    from pathlib import Path
    from nightbook.registry import model_versions
    from nightbook.scoring import challenger_scores, scorer
    folder = Path(sys._xoptions["snowflake_import_directory"])
    told = json.loads((folder / "model.json").read_text())
    model = model_versions.Model(**told, booster_bytes=(folder / "model.ubj").read_bytes())
    model_versions.load = lambda name, version: model
    chosen = [{"model_name": model.model_name, "model_version": model.version, "model_digest": model.digest,
               "metadata_digest": model.metadata_digest}]
    for table in TABLES:
        found = SCORES
        found.write.mode("overwrite").save_as_table(table + "_scored")
    return "OK"
"""


@pytest.fixture(scope="module")
def model() -> model_versions.Model:
    """Unregistered trees, fitted on 4,000 synthetic cases."""
    generator = np.random.default_rng(5)
    matrix = generator.normal(size=(4000, len(FEATURES)))
    label = generator.random(4000) < 1 / (1 + np.exp(2 - 2 * matrix[:, 0] - matrix[:, 1]))
    table = pa.table(
        {
            "entity_id": [f"A{number}" for number in range(4000)],
            "customer_id": [f"C{number}" for number in range(4000)],
            "as_of_date": pa.array([19000] * 4000, pa.date32()),
            "split": np.repeat(["train", "validation", "holdout"], [2400, 800, 800]),
            "is_default": label.astype(np.int32),
            **{spec.name: matrix[:, number] for number, spec in enumerate(FEATURES)},
        }
    )
    candidate = training.train(table, FEATURES, model_name="account_pd")
    metadata = {"features": [spec.name for spec in FEATURES]}
    return model_versions.Model("account_pd", 3, "run", candidate.digest, candidate.booster_bytes, metadata)


@pytest.fixture(params=[CHAMPION])
def score(call, put, model, runtime, request):
    """A function that scores tables of the account as <table>_scored."""
    told = {name: getattr(model, name) for name in ("model_name", "version", "mlflow_run_id", "digest", "metadata")}
    files = [put("model.ubj", model.booster_bytes), put("model.json", json.dumps(told).encode())]

    def score(*tables: str) -> None:
        call(
            BODY.replace("TABLES", repr(tables)).replace("SCORES", request.param), imports=[*runtime["imports"], *files]
        )

    return score


def columns(kind: str) -> str:
    """Inputs of every kind: nulls, decimals, whole numbers, tiny and large doubles. Both engines make the same ones."""
    return ", ".join(
        f"case when i % {7 + number} = 0 then null else cast((i * {13 + number} % 1009 - 500) / 250.0 as {kind}) end"
        f" as {spec.name}"
        for number, spec in enumerate(FEATURES)
    )


def test_scores_are_duckdbs_to_the_bit(score, connection, model):
    book = f"select 'A' || i as account_id, cast('2024-01-31' as date) as as_of_date, {columns('number(18, 6)')} from "
    numbers = "(select row_number() over (order by 1) as i from table(generator(rowcount => 5000)))"
    connection.cursor().execute(f"create or replace table book as {book} {numbers}")
    score("book")
    cursor = connection.cursor().execute("select * from book_scored order by account_id")
    found = cursor.fetch_arrow_all().rename_columns(scorer.score_schema("account_id").names)
    with duckdb.connect() as engine:
        engine.execute("create table book as select * from read_parquet(?)", [str(copied(connection))])
        own = pa.Table.from_batches(scorer.score(model, engine.table("book"), "account_id")).sort_by("account_id")
    assert found.num_rows == own.num_rows == 5000
    for name in own.column_names:
        assert found[name].cast(own[name].type).to_pylist() == own[name].to_pylist(), name


def copied(connection):
    """The book as a Parquet file, with decimals as stored."""
    import tempfile
    from pathlib import Path

    import pyarrow.parquet as pq

    file = Path(tempfile.mkdtemp()) / "book.parquet"
    cursor = connection.cursor()
    rows = cursor.execute("select * from book").fetchall()
    names = [column.name.lower() for column in cursor.description]
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), file)
    return file


def test_a_hundred_thousand_accounts_never_leave_the_engine_but_batch_by_batch(score, connection, records):
    for name, rows in (("few", 100), ("many", ACCOUNTS)):
        connection.cursor().execute(
            f"create or replace table {name} as select 'A' || i as account_id,"
            f" cast('2024-01-31' as date) as as_of_date, {columns('float')}"
            f" from (select row_number() over (order by 1) as i from table(generator(rowcount => {rows})))"
        )
    score("few")
    few = {record["name"].rsplit("_", 1)[0]: record for record in records()}
    score("many")
    many = {record["name"].rsplit("_", 1)[0]: record for record in records()}
    assert (
        connection.cursor()
        .execute("select count(*), count(distinct account_id), count(pd) from many_scored")
        .fetchone()
        == (ACCOUNTS,) * 3
    )
    procedure = many["rehearsed"]
    assert max(procedure["rows"]) <= 1, "the procedure fetched rows of the book"
    assert procedure["peak_kilobytes"] < few["rehearsed"]["peak_kilobytes"] + 20_000
    for handler in ("nightbook_margin", "nightbook_feature_digest", "nightbook_pd"):
        assert sum(many[handler]["rows"]) >= ACCOUNTS
        assert max(many[handler]["rows"]) <= snowflake_handlers.BATCH_ROWS
        assert many[handler]["peak_kilobytes"] < few[handler]["peak_kilobytes"] + 60_000


def test_a_procedure_that_fetches_the_book_is_noticed(call, connection, records):
    """Proves the measure: if the book were fetched, the record would show it."""
    connection.cursor().execute(
        "create or replace table book as"
        " select row_number() over (order by 1) as i from table(generator(rowcount => 50000))"
    )
    call("def main(session):\n    return str(len(session.table('book').collect()))")
    assert max(records()[0]["rows"]) == 50_000


@pytest.mark.parametrize(
    ("score", "value", "named"),
    [
        (CHAMPION, "inf", "feature f1: "),
        (CHAMPION, "nan", "a feature: "),
        (AS_CHALLENGER, "inf", "feature f1: "),
        (AS_CHALLENGER, "nan", "a feature: "),
    ],
    indirect=["score"],
)
def test_a_value_that_is_none_is_not_scored(score, connection, value, named):
    inputs = ", ".join(f"cast('{value if spec.name == 'f1' else 1}' as float) as {spec.name}" for spec in FEATURES)
    connection.cursor().execute(
        f"create or replace table odd as select 'A' as account_id, cast('2024-01-31' as date) as as_of_date, {inputs}"
    )
    with pytest.raises(ProgrammingError, match=f"NightbookError: {named}holds NaN or infinity"):
        score("odd")
