"""A candidate in the weekly run: fit it, score it beside the champion, measure it, register it if it passes."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields

import numpy as np
import pyarrow as pa

from nightbook import provenance, steps
from nightbook.engine import frames
from nightbook.errors import NightbookError
from nightbook.modelling import gate, training
from nightbook.modelling.boosting import FeatureSpec
from nightbook.modelling.scorecard import fit_logistic
from nightbook.registry import model_versions
from nightbook.registry.record import Record
from nightbook.scoring import inference

ORDER = ("entity_id", "as_of_date")

CANDIDATE_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("mlflow_run_id", pa.string()),
        ("algorithm", pa.string()),
        ("runner_up", pa.string()),
        ("model_digest", pa.string()),
        ("data_digest", pa.string()),
        ("maker", pa.string()),
        ("git_commit", pa.string()),
        ("train_rows", pa.int64()),
        ("train_defaults", pa.int64()),
        ("validation_rows", pa.int64()),
        ("holdout_rows", pa.int64()),
    ]
)

HOLDOUT_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("entity_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("split", pa.string()),
        ("is_default", pa.int32()),
        ("candidate_pd", pa.float64()),
        ("champion_pd", pa.float64()),
        ("benchmark_pd", pa.float64()),
        ("runner_up_pd", pa.float64()),
    ]
)

MEASUREMENT_SCHEMA = pa.schema(
    [("model_name", pa.string()), ("mlflow_run_id", pa.string()), ("metric", pa.string())]
    + [(field.name, pa.float64()) for field in fields(gate.Measurement) if field.name != "metric"]
)

REGISTRATION_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("mlflow_run_id", pa.string()),
        ("model_version", pa.int32()),
        ("registered_at", pa.timestamp("us")),
        ("model_digest", pa.string()),
        ("metadata_digest", pa.string()),
        ("data_digest", pa.string()),
        ("artifact_digest", pa.string()),
    ]
)


def fit(
    training_sets: Mapping[str, frames.Frame], catalog: list[dict], run: dict, landing_profile: list[dict] | None = None
) -> list[dict]:
    """Fit and log one candidate per model. A model without matured or usable cases gets a reason instead.

    Args:
        training_sets: model name -> engine's frame of its training set.
        catalog: rows of the feature catalog.
        run: run_id, the dbt invocation, and actor, who makes the candidates.
        landing_profile: rows of int_input_profile; later input is compared with them.

    Returns:
        Rows of `CANDIDATE_SCHEMA`; status is fitted, no_cases or refused.

    Raises:
        NightbookError: no model has a single matured case.
    """
    # The distance from the run date depends on the run, but the same data must give the same candidate tomorrow.
    landed = [row for row in landing_profile or [] if row["measure"] != "days_ahead"]
    seen = {"row_order": list(ORDER), "landing_profile": landed}
    found = [_fit_one(name, relation, _specs(catalog, name), run, seen) for name, relation in training_sets.items()]
    if all(row["status"] == "no_cases" for row in found):
        raise NightbookError(
            "no cohort has matured: training needs snapshots and defaults that reach outcome_months (policy seed) past "
            "a month-end with history before it; land more months, or reduce outcome_months"
        )
    return found


def _fit_one(model_name: str, relation: frames.Frame, features: list[FeatureSpec], run: dict, seen: dict) -> dict:
    table = frames.table(relation, ORDER)
    row = {"model_name": model_name, "maker": run["actor"], "git_commit": provenance.git_commit()}
    if not table.num_rows:
        return row | {"status": "no_cases", "reason": "no matured case to train on"}
    # An input without any value teaches nothing. Examples are a window longer than the history, or a missing feed. As a
    # model input it would only be reported as drifted on the day it appears.
    features = [feature for feature in features if _teaches(table, feature)]
    try:
        candidate = training.train(table, features, model_name=model_name, threads=provenance.threads())
    except NightbookError as error:
        return row | {"status": "refused", "reason": str(error)}
    with steps.at(f"{model_name}: logs the candidate to MLflow"):
        mlflow_run_id = model_versions.log_candidate(
            model_name,
            candidate.booster_bytes,
            training.metadata(candidate) | seen,
            tags={"maker": row["maker"], "run_id": run["run_id"], "git_commit": row["git_commit"]}
            | {f"{model_versions.LIBRARY}{name}": version for name, version in provenance.library_versions().items()},
            metrics={name: float(value) for name, value in candidate.metrics.items()},
            runner_up=candidate.runner_up.booster_bytes if candidate.runner_up else None,
        )
    return (
        row
        | {
            "status": "fitted",
            "reason": f"{candidate.algorithm} was better on validation",
            "mlflow_run_id": mlflow_run_id,
            "algorithm": candidate.algorithm,
            "runner_up": candidate.runner_up and candidate.runner_up.algorithm,
            "model_digest": candidate.digest,
            "data_digest": candidate.data_digest,
        }
        | {name: candidate.metrics[name] for name in CANDIDATE_SCHEMA.names if name in candidate.metrics}
    )


def _teaches(table: pa.Table, feature: FeatureSpec) -> bool:
    """False for an input that has no value at all. A missing column is refused by training."""
    return feature.name not in table.column_names or table.column(feature.name).null_count < table.num_rows


def score_holdout(
    training_sets: Mapping[str, frames.Frame], candidates: list[dict], record: Record
) -> Iterator[pa.RecordBatch]:
    """Score train and holdout rows with candidate, champion, logistic benchmark and runner-up.

    The benchmark is fitted here and discarded. It is a yardstick and is never deployed.

    Yields:
        Batches of `HOLDOUT_SCHEMA`. champion_pd is null without a champion. runner_up_pd is null on train, and without
        a runner-up.
    """
    for row in _fitted(candidates):
        name = row["model_name"]
        candidate = model_versions.candidate(name, row["mlflow_run_id"])
        champion = record.champion(name) if record.names_champion(name) else None
        table = frames.table(training_sets[name], ORDER)
        _require(table, champion)
        inputs = inference.inputs(table, candidate.features)
        split = np.array(table["split"].to_pylist(), dtype=object)
        label = table["is_default"].to_numpy()
        benchmark = fit_logistic(inputs[split == "train"], label[split == "train"], candidate.features)
        seen = split != "validation"
        kept = table.select(["entity_id", "as_of_date", "split", "is_default"]).filter(pa.array(seen))
        result = pa.table(
            {
                "model_name": pa.repeat(pa.scalar(name), kept.num_rows),
                **{column: kept[column] for column in kept.column_names},
                "candidate_pd": _pd(candidate, inputs[seen]),
                "champion_pd": _pd(champion, inference.inputs(table, champion.features)[seen])
                if champion
                else pa.nulls(kept.num_rows, pa.float64()),
                "benchmark_pd": pa.array(np.asarray(benchmark.pd(inputs[seen]), dtype=np.float64)),
                "runner_up_pd": _runner_up_pd(name, row["mlflow_run_id"], inputs[seen], split[seen] == "holdout"),
            }
        ).cast(HOLDOUT_SCHEMA)
        yield from result.to_batches()


def measure(
    training_sets: Mapping[str, frames.Frame], candidates: list[dict], holdout_scores: frames.Frame
) -> list[dict]:
    """Every statistic that a gate rule may refer to, per fitted candidate, as rows of `MEASUREMENT_SCHEMA`."""
    scores = frames.table(holdout_scores, ("model_name", "split", *ORDER))
    found = []
    for row in _fitted(candidates):
        name = row["model_name"]
        candidate = model_versions.candidate(name, row["mlflow_run_id"])
        mine = scores.filter(pa.compute.equal(scores["model_name"], name))
        split = {part: mine.filter(pa.compute.equal(mine["split"], part)) for part in ("holdout", "train")}
        champion_pd = split["holdout"]["champion_pd"]
        measurements = gate.measure(
            split["holdout"]["is_default"].to_numpy(),
            split["holdout"]["candidate_pd"].to_numpy(),
            None if champion_pd.null_count == len(champion_pd) else champion_pd.to_numpy(),
            split["holdout"]["benchmark_pd"].to_numpy(),
            split["train"]["is_default"].to_numpy(),
            split["train"]["candidate_pd"].to_numpy(),
            inference.load_booster(candidate.booster_bytes, candidate.digest),
            candidate.features,
            candidate.metadata["monotone"],
            inference.inputs(frames.table(training_sets[name], ORDER), candidate.features),
        )
        found += [
            {"model_name": name, "mlflow_run_id": row["mlflow_run_id"], **asdict(measurement)}
            for measurement in measurements
        ]
    return found


def register(verdicts: list[dict], run_id: str) -> list[dict]:
    """Register each candidate that failed no blocking rule. Returns rows of `REGISTRATION_SCHEMA`.

    Args:
        verdicts: one row per model: model_name, mlflow_run_id, maker, is_passed, and the model_digest and data_digest
            of the candidate that was fitted and judged.
        run_id: the dbt invocation.

    Raises:
        NightbookError: the logged candidate differs from the one that was judged.
    """
    found = []
    for row in verdicts:
        if not row["is_passed"]:
            continue
        made = model_versions.register(row["model_name"], row["mlflow_run_id"], maker=row["maker"], run_id=run_id)
        if any(made[name] != row[name] for name in ("model_digest", "data_digest")):
            raise NightbookError(
                f"{row['model_name']} candidate {row['mlflow_run_id']}: was replaced after it was judged: train again"
            )
        found.append({"model_name": row["model_name"], "mlflow_run_id": row["mlflow_run_id"], **made})
    return found


def _specs(catalog: list[dict], model_name: str) -> list[FeatureSpec]:
    return [
        FeatureSpec(row["name"], row["monotone_direction"])
        for row in catalog
        if row["model_name"] == model_name and row["in_model"]
    ]


def _fitted(candidates: list[dict]) -> list[dict]:
    return [row for row in candidates if row["status"] == "fitted"]


def _require(table: pa.Table, champion: model_versions.Model | None) -> None:
    missing = [name for name in champion.features if name not in table.column_names] if champion else []
    if champion and missing:
        raise NightbookError(
            f"{champion.model_name} version {champion.version}, the champion, reads {missing[0]}, which is no longer "
            "a feature: keep the column until a version without it is champion"
        )


def _pd(model: model_versions.Model, matrix: np.ndarray) -> pa.Array:
    return pa.array(_predicted(model.booster_bytes, model.digest, matrix))


def _runner_up_pd(model_name: str, mlflow_run_id: str, matrix: np.ndarray, is_holdout: np.ndarray) -> pa.Array:
    """The runner-up's pd on holdout rows, null elsewhere; shape (n,)."""
    kept = model_versions.runner_up(model_name, mlflow_run_id)
    if kept is None:
        return pa.nulls(len(matrix), pa.float64())
    pd = np.zeros(len(matrix))
    pd[is_holdout] = _predicted(*kept, matrix[is_holdout])
    return pa.array(pd, mask=~is_holdout)


def _predicted(booster_bytes: bytes, digest: str, matrix: np.ndarray) -> np.ndarray:
    booster = inference.load_booster(booster_bytes, digest)
    booster.set_param({"nthread": provenance.threads()})
    return np.asarray(inference.predict_pd(booster, matrix), dtype=np.float64)
