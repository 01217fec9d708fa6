"""Scores and their reasons, batch by batch, from a registered model."""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import xgboost as xgb

from nightbook import provenance
from nightbook.engine import frames
from nightbook.engine.frames import Frame, Made, Session
from nightbook.errors import NightbookError
from nightbook.registry import model_versions
from nightbook.registry.model_versions import Model
from nightbook.registry.record import Record
from nightbook.scoring import inference, snowflake_functions
from nightbook.scoring.inference import feature_digests, probability

BASE_VALUE = "(base value)"

CHAMPION_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("model_digest", pa.string()),
        ("metadata_digest", pa.string()),
        ("mlflow_run_id", pa.string()),
    ]
)

PROFILE_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("feature", pa.string()),
        ("bin", pa.int32()),
        ("above", pa.float64()),
        ("up_to", pa.float64()),
        ("share", pa.float64()),
        ("gain_share", pa.float64()),
    ]
)


INPUT_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("table_name", pa.string()),
        ("column_name", pa.string()),
        ("category", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
    ]
)


def score_schema(key: str) -> pa.Schema:
    """Columns of a scored batch: key, date, pd in (0, 1), margin in log odds, digest of the inputs, and the model."""
    return pa.schema(
        [
            (key, pa.string()),
            ("as_of_date", pa.date32()),
            ("pd", pa.float64()),
            ("margin", pa.float64()),
            ("feature_digest", pa.string()),
            ("model_name", pa.string()),
            ("model_version", pa.int32()),
            ("model_digest", pa.string()),
        ]
    )


def contribution_schema(key: str) -> pa.Schema:
    """Columns of an explained batch: one row per input, and one '(base value)' row, where every score starts."""
    return pa.schema(
        [
            (key, pa.string()),
            ("as_of_date", pa.date32()),
            ("feature", pa.string()),
            ("value", pa.float64()),
            ("contribution", pa.float64()),
        ]
    )


def champions(record: Record, populations: Mapping[str, Frame], versions: str | None = None) -> list[dict]:
    """The version of each model that scores in this run, checked, as rows of `CHAMPION_SCHEMA`.

    This is the champion, unless a version is pinned. A past date is scored again by the version that was champion then.

    Args:
        record: the warehouse's record.
        populations: model name -> engine's frame of what it would score.
        versions: the pinned versions, as `pinned_versions` reads them.

    Raises:
        NightbookError: a model with cases to score has no champion, a pinned version was never champion, or record,
            registry and artifact disagree.
    """
    pinned = pinned_versions(versions)
    found = []
    for name, population in populations.items():
        if name not in pinned and not record.names_champion(name) and not frames.count(population):
            continue
        model = record.once_champion(name, pinned[name]) if name in pinned else record.champion(name)
        found.append(
            {
                "model_name": name,
                "model_version": model.version,
                "model_digest": model.digest,
                "metadata_digest": model.metadata_digest,
                "mlflow_run_id": model.mlflow_run_id,
            }
        )
    return found


def pinned_versions(text: str | None = None) -> dict[str, int]:
    """Read pinned versions, which score in place of champions, from a text such as `account_pd=3 application_pd=2`.

    Args:
        text: the run's text; None means NIGHTBOOK_VERSIONS.

    Raises:
        NightbookError: the text has another form.
    """
    text = os.environ.get("NIGHTBOOK_VERSIONS", "") if text is None else text
    pinned = dict(part.partition("=")[::2] for part in text.split())
    if not all(name and version.isascii() and version.isdigit() for name, version in pinned.items()):
        raise NightbookError(f"NIGHTBOOK_VERSIONS is '{text}': write MODEL=VERSION, separated by blanks")
    return {name: int(version) for name, version in pinned.items()}


def input_profiles(record: Record, versions: str | None = None) -> list[dict]:
    """What the training of each champion, or pinned version, saw of the landing tables, as rows of `INPUT_SCHEMA`.

    Versions from before this was kept have no rows. Arguments and errors are those of `champions`.
    """
    pinned = pinned_versions(versions)
    found = []
    for name in sorted({*record.model_names, *pinned}):
        if name not in pinned and not record.names_champion(name):
            continue
        model = record.once_champion(name, pinned[name]) if name in pinned else record.champion(name)
        found += [
            {"model_name": name, "model_version": model.version, **row}
            for row in model.metadata.get("landing_profile", [])
        ]
    return found


def profiles(chosen: Iterable[dict]) -> list[dict]:
    """Training population of each champion, per feature and bin, as rows of `PROFILE_SCHEMA`.

    Bin -1 is the share without a value. The other bins are (above, up_to]; the first and the last are open. The model's
    own score has the feature name 'score'. gain_share is the feature's share of the loss reduction of all splits.
    """
    found = []
    for row in chosen:
        model = loaded(row)
        gains = inference.gains(_booster(model))
        total = sum(gains.values())
        for feature, profile in model.metadata["reference"].items():
            borders = [None, *profile["edges"], None]
            shares = [(-1, None, None, profile["null_share"])] + [
                (number, borders[number], borders[number + 1], share) for number, share in enumerate(profile["shares"])
            ]
            found += [
                {
                    "model_name": model.model_name,
                    "model_version": model.version,
                    "feature": feature,
                    "bin": number,
                    "above": above,
                    "up_to": up_to,
                    "share": share,
                    "gain_share": round(gains.get(feature, 0) / total, 6) if total else 0,
                }
                for number, above, up_to, share in shares
            ]
    return found


def scores(session: Session, chosen: Iterable[dict], model_name: str, relation: Frame, key: str) -> Made:
    """Score a relation with the version that this run chose, for dbt. If it chose none, there are no rows."""
    model = _chosen(chosen, model_name)
    if model is not None and frames.is_snowpark(session):
        return snowflake_functions.scored(session, model, relation, key)
    return frames.relation(session, score_schema(key), score(model, relation, key) if model else ())


def contributions(session: Session, chosen: Iterable[dict], model_name: str, relation: Frame, key: str) -> Made:
    """Explain a relation with the version that this run chose, for dbt. If it chose none, there are no rows."""
    model = _chosen(chosen, model_name)
    return frames.relation(session, contribution_schema(key), explain(model, relation, key) if model else ())


def score(model: Model, relation: Frame, key: str) -> Iterator[pa.RecordBatch]:
    """Score a relation in a stream.

    Args:
        model: the registry's model, its digest checked.
        relation: engine's frame with `key`, as_of_date and the model's features; null is missing.
        key: account_id or application_id.

    Yields:
        Batches of `score_schema(key)`. pd is the model's own float32 probability, widened. Any MLflow client reads the
        same value from the same artifact. feature_digest is the SHA-256 of the float32 input vector, little-endian, in
        the order of the model's features, first 32 hexadecimal digits.
    """
    booster = _booster(model)
    schema = score_schema(key)
    # XGBoost releases Python's global lock, the digests hold it. Side by side they keep both cores busy.
    with ThreadPoolExecutor(1) as aside:
        for batch in frames.batches(relation, [key, "as_of_date"], model.features):
            matrix = inference.inputs(batch, model.features)
            digests = aside.submit(feature_digests, matrix)
            margin = booster.inplace_predict(matrix, predict_type="margin")
            pd = probability(margin)
            count = batch.num_rows
            yield pa.record_batch(
                [
                    batch.column(key).cast(pa.string()),
                    batch.column("as_of_date"),
                    pa.array(pd.astype(np.float64)),
                    pa.array(margin.astype(np.float64)),
                    pa.array(digests.result()),
                    pa.repeat(pa.scalar(model.model_name), count),
                    pa.repeat(pa.scalar(model.version, pa.int32()), count),
                    pa.repeat(pa.scalar(model.digest), count),
                ],
                schema=schema,
            )


def explain(model: Model, relation: Frame, key: str) -> Iterator[pa.RecordBatch]:
    """Exact tree contributions of every input to the margin (log odds). With the base value they sum to the margin.

    Source: Lundberg, Erion and Lee, Consistent individualized feature attribution for tree ensembles (2018).

    Yields:
        Batches of `contribution_schema(key)`.
    """
    booster = _booster(model)
    schema = contribution_schema(key)
    names = [*model.features, BASE_VALUE]
    for batch in frames.batches(relation, [key, "as_of_date"], model.features):
        matrix = inference.inputs(batch, model.features)
        contributions = booster.predict(
            xgb.DMatrix(matrix, feature_names=list(model.features), nthread=provenance.threads()), pred_contribs=True
        )
        values = np.column_stack([matrix.astype(np.float64), np.full(len(matrix), np.nan)])
        repeats = np.repeat(np.arange(batch.num_rows), len(names))
        yield pa.record_batch(
            [
                batch.column(key).cast(pa.string()).take(repeats),
                batch.column("as_of_date").take(repeats),
                pa.array(np.tile(np.array(names, dtype=object), batch.num_rows), pa.string()),
                pa.array(values.ravel(), from_pandas=True),
                pa.array(contributions.astype(np.float64).ravel()),
            ],
            schema=schema,
        )


def _chosen(chosen: Iterable[dict], model_name: str) -> Model | None:
    return next((loaded(row) for row in chosen if row["model_name"] == model_name), None)


def loaded(row: dict) -> Model:
    """Load a chosen version, if its artifact is still the one that was checked when it was chosen.

    Args:
        row: model_name, model_version, model_digest and metadata_digest.

    Raises:
        NightbookError: it has changed, or its artifact fails its check.
    """
    model = model_versions.load(row["model_name"], row["model_version"])
    if (model.digest, model.metadata_digest) != (row["model_digest"], row["metadata_digest"]):
        raise NightbookError(
            f"{row['model_name']} version {row['model_version']}: its artifact was replaced during the "
            "run: restore it or roll back"
        )
    return model


def _booster(model: Model) -> xgb.Booster:
    booster = inference.load_booster(model.booster_bytes, model.digest)
    booster.set_param({"nthread": provenance.threads()})
    return booster
