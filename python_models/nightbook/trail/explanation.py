"""Explain one score: model, people, inputs, contributions, definitions, raw rows. Each link is checked."""

import subprocess
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyRelation, from_arrow

from nightbook import provenance
from nightbook.catalog import families, scoring_models
from nightbook.catalog.scoring_models import ScoringModel
from nightbook.engine import warehouse
from nightbook.engine.warehouse import Connection, Query
from nightbook.errors import NightbookError
from nightbook.registry import model_versions
from nightbook.registry.model_versions import Model
from nightbook.registry.record import Record
from nightbook.scoring import scorer
from nightbook.trail import landed_rows, scored_nights

# Contributions are float32, and about 150 of them are summed.
_TOLERANCE = 1e-4


def explain(
    as_of: date, *, account: str | None = None, application: str | None = None, model_name: str | None = None
) -> dict:
    """Everything that led to the score of an account or an application on a scored night, as plain values.

    The stored version scores the stored inputs again, so the explanation is of what really gives the score.

    Args:
        as_of: the night's date.
        account: the account scored, or None.
        application: the application scored, if no account is given.
        model_name: the scoring model whose score it is. By default the first of accounts, or of applications.

    Raises:
        NightbookError: the key or the night was never scored, the model has changed, or the stored inputs do not give
            the stored score, or no such model scores such a case.
    """
    kind, key = ("account", account) if account is not None else ("application", application)
    assert key is not None
    scoring_model = _scoring_model(kind, model_name)
    column = scoring_model.key
    with warehouse.reading() as connection:
        query = warehouse.query(connection)
        night = scored_nights.scored_night(query, as_of)
        found = query(f"select * from marts.{scoring_model.scores} where as_of_date = ? and {column} = ?", [as_of, key])
        if not found:
            raise NightbookError(scored_nights.never_scored(query, scoring_model, key, as_of))
        score = found[0]
        model = model_versions.load(score["model_name"], score["model_version"])
        inputs = _inputs(connection, scoring_model, key, score, model)
        _check_score(model, score, inputs, column)
        explained = {
            "kind": kind,
            "key": key,
            "as_of_date": as_of,
            "score": {name: value for name, value in score.items() if name not in (column, "as_of_date")},
            "run": night.run,
            "model": _model(query, model, score),
            "gate": _gate(query, model),
            **_contributions(connection, model, score, inputs, column, kind, night.run),
            "raw": _raw(query, night, kind, key),
        }
    return _plain(explained)


def explain_version(model_name: str, version: int, against: int | None = None) -> dict:
    """How a registered version was made. With another version, also where the two differ, and in which data.

    Args:
        model_name: the scoring model.
        version: its version.
        against: another version to compare with.

    Raises:
        NightbookError: a version does not exist, or its artifact is not what was registered.
    """
    with warehouse.asking() as query:
        record = Record.of(query)
    explained = _explained_version(record, model_name, version)
    if against is not None:
        other = _explained_version(record, model_name, against)
        explained["against"] = {
            "model_version": against,
            "differs_in": {
                name: {"this": explained[name], "other": other[name]}
                for name in (
                    "model_digest",
                    "data_digest",
                    "git_commit",
                    "algorithm",
                    "params",
                    "libraries",
                    "row_order",
                )
                if explained[name] != other[name]
            },
            "data_that_differs": sorted(
                name
                for name in {*explained["column_digests"], *other["column_digests"]}
                if explained["column_digests"].get(name) != other["column_digests"].get(name)
            ),
        }
    return _plain(explained)


def _explained_version(record: Record, model_name: str, version: int) -> dict:
    found = record.version(model_name, version)
    model = model_versions.load(model_name, version)
    names = ("algorithm", "params", "metrics", "features", "column_digests", "row_order")
    return {
        **{name: value for name, value in asdict(found).items() if name != "is_champion"},
        **{name: model.metadata.get(name, {}) for name in names},
        "libraries": model_versions.libraries(model.mlflow_run_id),
    }


def _scoring_model(kind: str, model_name: str | None) -> ScoringModel:
    of_kind = scoring_models.of_entity(kind)
    for one in of_kind:
        if model_name in (None, one.model_name):
            return one
    known = ", ".join(one.model_name for one in of_kind)
    raise NightbookError(f"{model_name} does not score {kind}s: choose a model that does: {known}")


def _inputs(
    connection: Connection, scoring_model: ScoringModel, key: str, score: dict, model: Model
) -> DuckDBPyRelation:
    """The stored inputs of the score, one row, as the scorer reads them."""
    kind, column = scoring_model.entity, scoring_model.key
    if scoring_model.inputs:
        rows = warehouse.arrow(
            connection,
            f"select * from scoring.{scoring_model.inputs} where as_of_date = ? and {column} = ? and run_id = ?",
            [score["as_of_date"], key, score["run_id"]],
        )
    else:
        stored = warehouse.rows(
            connection,
            f"select feature, value from marts.{scoring_model.contributions}"
            f" where as_of_date = ? and {column} = ? and run_id = ?",
            [score["as_of_date"], key, score["run_id"]],
        )
        values = {row["feature"]: row["value"] for row in stored if row["feature"] != scorer.BASE_VALUE}
        columns = {column: [key], "as_of_date": [score["as_of_date"]]}
        columns |= {name: pa.array([values.get(name)], pa.float64()) for name in model.features} if values else {}
        rows = pa.table(columns).slice(0, 1 if values else 0)
    if rows.num_rows != 1:
        raise NightbookError(
            f"{kind} {key} as of {score['as_of_date']}: the inputs of its score are missing: {rows.num_rows} rows of"
            f" run {score['run_id']}; `reproduce` computes them again"
        )
    return from_arrow(rows)


def _check_score(model: Model, score: dict, inputs: DuckDBPyRelation, column: str) -> None:
    [batch] = scorer.score(model, inputs, column)
    [again] = pa.Table.from_batches([batch]).to_pylist()
    for name in ("model_digest", "feature_digest", "margin", "pd"):
        if again[name] != score[name]:
            raise NightbookError(
                f"{column} {score[column]} as of {score['as_of_date']}: the stored {name} is {score[name]}, but its"
                f" stored inputs give {again[name]}: one of the two was changed; `reproduce` shows which"
            )


def _model(query: Query, model: Model, score: dict) -> dict:
    """The version, and the last promotion that allowed it to score at that time."""
    record = Record.of(query)
    version = record.version(model.model_name, score["model_version"])
    moves = [
        move
        for move in record.moves(model.model_name)
        if move.model_version == model.version and move.promoted_at <= score["scored_at"]
    ]
    pinned = not moves or record.champion_at(model.model_name, score["scored_at"]) != model.version
    return {
        "model_name": model.model_name,
        "model_version": model.version,
        "model_digest": model.digest,
        "mlflow_run_id": model.mlflow_run_id,
        "algorithm": version.algorithm,
        "maker": version.maker,
        "trained_by_run": version.run_id,
        "registered_at": version.registered_at,
        "git_commit": version.git_commit,
        "data_digest": version.data_digest,
        "approver": moves[-1].approver if moves else None,
        "change_request": moves[-1].change_request if moves else None,
        "approved_at": moves[-1].promoted_at if moves else None,
        "is_by_makers_account": moves[-1].is_by_makers_account if moves else None,
        "was_champion": not pinned,
    }


def _gate(query: Query, model: Model) -> list[dict]:
    if not warehouse.has(query, "training", "fct_gate_decisions"):
        return []
    return query(
        "select rule, verdict, candidate_value, champion_value, reason, decided_at from training.fct_gate_decisions"
        " where model_name = ? and mlflow_run_id = ?"
        # The first verdict: a training repeated on the same data judges the same candidate again.
        " qualify row_number() over (partition by rule order by decided_at, run_id) = 1 order by rule",
        [model.model_name, model.mlflow_run_id],
    )


def _contributions(
    connection: Connection, model: Model, score: dict, inputs: DuckDBPyRelation, column: str, kind: str, run: dict
) -> dict:
    """Each input with value, contribution to the margin and definition, strongest first, and their sum."""
    [batch] = scorer.explain(model, inputs, column)
    parts = pa.Table.from_batches([batch]).to_pylist()
    total = float(np.sum([part["contribution"] for part in parts]))
    if abs(total - score["margin"]) > _TOLERANCE:
        raise NightbookError(
            f"{column} {score[column]}: contributions add up to {total:.6f}, but the stored margin is "
            f"{score['margin']:.6f}"
        )
    catalog = {
        row["name"]: row
        for row in warehouse.rows(
            connection, "select * from reference.feature_catalog where model_name = ?", [model.model_name]
        )
    }
    defined_in = _definitions(connection, kind, run)
    base = next(part["contribution"] for part in parts if part["feature"] == scorer.BASE_VALUE)
    explained_inputs = []
    for part in sorted(parts, key=lambda part: (-abs(part["contribution"]), part["feature"])):
        name = part["feature"]
        if name == scorer.BASE_VALUE:
            continue
        entry = catalog.get(name, {})
        explained_inputs.append(
            {
                "feature": name,
                "value": part["value"],
                "contribution": part["contribution"],
                "description": entry.get("description"),
                "reason_text": entry.get("reason_text"),
                "source": entry.get("source"),
                "window_months": entry.get("window_months"),
                "defined_in": defined_in.get(name),
            }
        )
    return {"base_value": base, "margin": score["margin"], "sum_of_contributions": total, "inputs": explained_inputs}


def _definitions(connection: Connection, kind: str, run: dict) -> dict[str, dict]:
    """Feature -> its model, the file and line where it is written, and the last commit before the run.

    `files` lists all files with the family's SQL; the commit is the last one that touched any of them.
    """
    found = warehouse.rows(
        connection,
        "select lower(table_name) as relation, lower(column_name) as feature from information_schema.columns"
        " where lower(table_schema) = 'features' order by relation, ordinal_position",
    )
    root, of_feature = Path(), {}
    for table in sorted({row["relation"] for row in found}):
        if not table.startswith(f"feat_{kind}_"):
            continue
        names = [file.as_posix() for file in families.files(table, root)]
        family = {"model": table, "files": names, "git_commit": _last_commit(names, run)}
        written = families.places(table, root)
        for name in (row["feature"] for row in found if row["relation"] == table):
            if name in written:
                file, line = written[name]
                of_feature[name] = {"file": file.as_posix(), "line": line, **family}
    return of_feature


def _last_commit(files: list[str], run: dict) -> str | None:
    """The last commit, up to the run's own, that changed the files. None if git cannot say."""
    if not files or not provenance.is_commit(run["git_commit"]):
        return None
    command = ["git", "log", "-1", "--format=%H", "--end-of-options", run["git_commit"], "--", *files]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None
    except OSError:
        # There is no git on this machine.
        return None


def _raw(query: Query, night: scored_nights.Night, kind: str, key: str) -> dict[str, list[dict]]:
    """Rows of the landing tables that the score depends on, with superseded rows marked."""

    def ask(sql: str) -> list:
        return [value for row in query(sql) for value in row.values()]

    found = landed_rows.queries(night, kind, key, ask)
    return {name: query(sql) for name, sql in found.items() if warehouse.has(query, "raw", name)}


def _plain(value: Any) -> Any:
    """Dates, times and decimals as text, so that the same explanation gives the same JSON."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
