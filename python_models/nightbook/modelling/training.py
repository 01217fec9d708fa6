"""From a training table to one calibrated candidate: checks, digest, two fits, selection, reference profile."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xgboost as xgb

from nightbook import steps
from nightbook.engine import frames
from nightbook.errors import NightbookError
from nightbook.modelling import boosting, calibration, metrics
from nightbook.modelling.boosting import FeatureSpec
from nightbook.scoring import inference

SPLITS = ("train", "validation", "holdout")
KEYS = ("entity_id", "customer_id", "as_of_date", "split", "is_default")
MIN_DEFAULTS = 20
# With fewer defaults in a half, the noise from halving validation outweighs the bias from using it twice.
MIN_HALF_DEFAULTS = 1000
REFERENCE_BINS = 10
_NUMERIC = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)


@dataclass(frozen=True)
class TrainingSet:
    """A checked training table as arrays, in the table's row order.

    matrix: float32 with NaN for missing, shape (n, f).
    label: 1 for default, 0 for good, shape (n,).
    train, validation, holdout: boolean masks that cover every row once.
    stopping, calibration: boolean masks within validation. The first is for early stopping, the second for selection
        and calibration; see `is_validation_halved`.
    """

    features: tuple[FeatureSpec, ...]
    matrix: np.ndarray
    label: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    holdout: np.ndarray
    stopping: np.ndarray
    calibration: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in column order."""
        return tuple(feature.name for feature in self.features)

    @property
    def is_validation_halved(self) -> bool:
        """Whether early stopping and calibration use different customers.

        Validation is halved by a hash of customer_id. The round is picked for its log loss on one half. On the other
        half, this gives it no advantage over the forest. If a half has fewer than 1,000 defaults or goods, both use all
        of validation. One stopping round and two calibration weights overfit little, and noise costs more.
        """
        return not np.array_equal(self.stopping, self.calibration)

    @classmethod
    def from_arrow(
        cls, table: pa.Table, features: Sequence[FeatureSpec], *, min_defaults: int = MIN_DEFAULTS
    ) -> "TrainingSet":
        """Check the table and fill the arrays, one column at a time.

        Args:
            table: entity_id, customer_id, as_of_date, split ('train', 'validation', 'holdout'), is_default (0 or 1) and
                the features (integers, doubles or decimals; null is missing), in a total order.
            features: the columns that the model reads, in the model's order.
            min_defaults: smallest allowed number of defaults in split train.

        Raises:
            NightbookError: a column is absent, null where it must not be, or of a wrong type or value; a split is empty
                or has fewer than two rows of a class; train has too few defaults; (entity_id, as_of_date) repeats; a
                customer is in two splits; every feature is constant on train.
        """
        features = tuple(features)
        _check_columns(table, features)
        split = _split_codes(table)
        label = _labels(table)
        _check_keys(table)
        masks = [split == code for code in range(len(SPLITS))]
        _check_classes(label, masks, min_defaults)
        matrix = _matrix(table, features)
        if not _any_varies(matrix, masks[0]):
            raise NightbookError("training table: every feature is constant on split train; check the feature build")
        stopping, for_calibration = _halves(table, masks[1], label)
        return cls(features, matrix, label, masks[0], masks[1], masks[2], stopping, for_calibration)


@dataclass(frozen=True)
class Candidate:
    """A calibrated model with all facts about its training.

    runner_up: the fit that was not selected, calibrated in the same way. None if that was not possible.
    """

    model_name: str
    algorithm: str
    booster_bytes: bytes
    digest: str
    features: tuple[str, ...]
    monotone: tuple[int, ...]
    params: dict
    metrics: dict
    data_digest: str
    column_digests: dict
    reference: dict
    runner_up: "RunnerUp | None"


@dataclass(frozen=True)
class RunnerUp:
    """The fit that was not selected. It is kept for comparison and never registered."""

    algorithm: str
    booster_bytes: bytes
    digest: str


def train(
    table: pa.Table,
    features: Sequence[FeatureSpec],
    *,
    model_name: str,
    seed: int = 7,
    threads: int = 2,
    min_defaults: int = MIN_DEFAULTS,
    training_set: TrainingSet | None = None,
) -> Candidate:
    """Fit boosted trees and a random forest on train, select the better one, calibrate it and fold that in.

    The better one has the higher AUC on the calibration rows of validation; if the AUCs are equal, the lower calibrated
    log loss. The holdout is not used.

    Args:
        table, features, min_defaults: as `TrainingSet.from_arrow`.
        model_name: name in the registry, such as account_pd.
        seed, threads: the number of threads changes the time, never the bytes.
        training_set: the same table already checked, to save checking it twice.

    Raises:
        NightbookError: as `TrainingSet.from_arrow`, or neither fit can be calibrated, or a feature is named score.
    """
    features = tuple(features)
    if "score" in {feature.name for feature in features}:
        raise NightbookError(
            "feature score: rename it; the reference profile stores the model's own score under that name"
        )
    rows = training_set or TrainingSet.from_arrow(table, features, min_defaults=min_defaults)
    train_matrix, train_label = rows.matrix[rows.train], rows.label[rows.train]
    fits: dict[str, boosting.Fit] = {}
    with steps.at(f"{model_name}: fits boosted trees"):
        fits["boosted_trees"] = boosting.fit_boosted(
            train_matrix,
            train_label,
            rows.matrix[rows.stopping],
            rows.label[rows.stopping],
            features,
            seed=seed,
            threads=threads,
        )
    with steps.at(f"{model_name}: fits a random forest"):
        fits["random_forest"] = boosting.fit_forest(train_matrix, train_label, features, seed=seed, threads=threads)
    selected = _selection(fits, rows)
    algorithm = min(selected, key=lambda name: (-selected[name]["auc"], selected[name]["log_loss"]))
    fit, calibrated = fits[algorithm], selected[algorithm]["calibration"]
    folded = calibration.fold(fit.booster, calibrated)
    booster_bytes = bytes(folded.save_raw("ubj"))
    runner_up = None
    for other in selected:
        if other != algorithm:
            kept = bytes(calibration.fold(fits[other].booster, selected[other]["calibration"]).save_raw("ubj"))
            runner_up = RunnerUp(other, kept, hashlib.sha256(kept).hexdigest())
    figures: dict[str, Any] = {
        f"validation_{metric}_{name}": selected[name][metric] for name in selected for metric in ("auc", "log_loss")
    }
    for name in SPLITS:
        mask = getattr(rows, name)
        figures |= {f"{name}_rows": int(mask.sum()), f"{name}_defaults": int(rows.label[mask].sum())}
    columns = column_digests(table)
    figures |= {
        "is_validation_halved": rows.is_validation_halved,
        "best_iteration": fits["boosted_trees"].best_iteration,
        "calibration_slope": calibrated.slope,
        "calibration_intercept": calibrated.intercept,
    }
    return Candidate(
        model_name=model_name,
        algorithm=algorithm,
        booster_bytes=booster_bytes,
        digest=hashlib.sha256(booster_bytes).hexdigest(),
        features=rows.names,
        monotone=tuple(feature.monotone for feature in features),
        params=fit.params,
        metrics=figures,
        data_digest=digest_of_columns(table.num_rows, columns),
        column_digests=columns,
        reference=reference_profile(table, rows, inference.predict_pd(folded, train_matrix)),
        runner_up=runner_up,
    )


def metadata(candidate: Candidate) -> dict:
    """Everything about a candidate except its trees, as plain JSON values."""
    plain = {
        "model_name": candidate.model_name,
        "algorithm": candidate.algorithm,
        "digest": candidate.digest,
        "features": candidate.features,
        "monotone": candidate.monotone,
        "params": candidate.params,
        "metrics": candidate.metrics,
        "data_digest": candidate.data_digest,
        "column_digests": candidate.column_digests,
        "reference": candidate.reference,
        "runner_up": candidate.runner_up
        and {"algorithm": candidate.runner_up.algorithm, "digest": candidate.runner_up.digest},
        "xgboost_version": xgb.__version__,
    }
    return json.loads(json.dumps(plain, allow_nan=False))


def data_digest(table: pa.Table) -> str:
    """SHA-256 over column names, types and values in row order, hexadecimal.

    Chunks, offsets, dictionary encoding, bytes under nulls and the width of string offsets make no difference. Row
    order and column order do.
    """
    return digest_of_columns(table.num_rows, column_digests(table))


def digest_of_columns(rows: int, columns: Mapping[str, str]) -> str:
    """The digest of a table, from its number of rows and `column_digests`."""
    digest = hashlib.sha256(str(rows).encode())
    for name, column in columns.items():
        part = name.encode()
        digest.update(len(part).to_bytes(8, "little") + part + bytes.fromhex(column))
    return digest.hexdigest()


def column_digests(table: pa.Table) -> dict[str, str]:
    """SHA-256 of each column's type and values in row order, hexadecimal. It shows where two trainings' data differ."""
    digests = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        # Three digests, each a plain concatenation over chunks. In a single one, chunk borders would matter.
        validity, lengths, values = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        for chunk in column.chunks:
            validity.update(chunk.is_valid().to_numpy(zero_copy_only=False))
            if _is_fixed(chunk.type):
                values.update(np.ascontiguousarray(_fixed_values(chunk)).data)
                continue
            text = pc.fill_null(chunk.cast(pa.large_string()), "")
            offsets = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
            lengths.update(np.diff(offsets).data)
            if len(text) and text.buffers()[2] is not None:
                values.update(memoryview(text.buffers()[2])[offsets[0] : offsets[-1]])
        digest = hashlib.sha256(("string" if _is_string(column.type) else str(column.type)).encode())
        digest.update(validity.digest() + lengths.digest() + values.digest())
        digests[field.name] = digest.hexdigest()
    return digests


def reference_profile(table: pa.Table, rows: TrainingSet, score: np.ndarray) -> dict[str, dict]:
    """Distribution of every feature, and of the score, over split train. Drift is measured against it.

    Bins are (-inf, e1], (e1, e2], ..., (ek, inf). Edges are values that occur in the table, in double precision. So SQL
    that compares the stored double puts every row in the same bin. Edges of the score are XGBoost's float32 pd as
    doubles. Features with fewer than ten values have each value as an edge, and a last bin for later values above all
    of them.

    Args:
        table: the training table.
        rows: the same table, checked.
        score: calibrated pd of split train in row order; shape (number of train rows,).

    Returns:
        name -> {"edges": ascending list, "shares": list of len(edges) + 1, "null_share": float}. Shares and null_share
        sum to 1. The score is under "score".
    """
    profile = {}
    for name in rows.names:
        profile[name] = _profile(frames.doubles(table[name])[rows.train])
    profile["score"] = _profile(np.asarray(score, dtype=np.float64))
    return profile


def _profile(values: np.ndarray) -> dict:
    known = values[~np.isnan(values)]
    edges = metrics.quantile_edges(known, REFERENCE_BINS)
    shares = metrics.bin_counts(known, edges) / values.size
    return {
        "edges": edges.tolist(),
        "shares": shares.tolist(),
        "null_share": (values.size - known.size) / values.size,
    }


def _selection(fits: Mapping[str, boosting.Fit], rows: TrainingSet) -> dict[str, dict]:
    """AUC and calibrated log loss of each fit on the calibration rows, and the calibration itself.

    A fit that cannot be calibrated is left out. If none is left, its error is raised.
    """
    matrix, label = rows.matrix[rows.calibration], rows.label[rows.calibration]
    selection: dict[str, dict] = {}
    errors = []
    for name, fit in fits.items():
        margin = boosting.predict_margin(fit.booster, matrix)
        try:
            calibrated = calibration.fit(margin, label)
        except NightbookError as error:
            errors.append(error)
            continue
        pd = 1 / (1 + np.exp(-(calibrated.slope * margin + calibrated.intercept)))
        selection[name] = {
            "auc": metrics.auc(label, margin),
            "log_loss": metrics.log_loss(label, pd),
            "calibration": calibrated,
        }
    if not selection:
        raise errors[0]
    return selection


def _check_columns(table: pa.Table, features: Sequence[FeatureSpec]) -> None:
    names = [feature.name for feature in features]
    if not names:
        raise NightbookError("no feature is marked for the model; set in_model in the feature catalog")
    for name in (*KEYS, *names):
        if table.column_names.count(name) != 1:
            raise NightbookError(f"training table: column {name} is absent or repeated; build it in the training model")
    for name in KEYS:
        if table[name].null_count:
            raise NightbookError(f"training table: column {name} holds nulls; every row needs a value")
    for name in names:
        if names.count(name) > 1 or name in KEYS:
            raise NightbookError(f"feature {name}: listed twice, or a key of the training table")
        kind = table[name].type
        if not any(is_kind(kind) for is_kind in _NUMERIC):
            raise NightbookError(f"feature {name}: type {kind} is not numeric; cast it in the feature model")


def _split_codes(table: pa.Table) -> np.ndarray:
    split = table["split"].combine_chunks()
    codes = pc.index_in(split, value_set=pa.array(SPLITS).cast(split.type))
    if codes.null_count:
        unknown = split.filter(codes.is_null())[0].as_py()
        raise NightbookError(f"training table: unknown split {unknown!r}; use train, validation or holdout")
    return codes.to_numpy().astype(np.int8)


def _labels(table: pa.Table) -> np.ndarray:
    kind = table["is_default"].type
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise NightbookError(f"training table: is_default has type {kind}; use an integer, 0 or 1")
    label = table["is_default"].cast(pa.int64()).to_numpy()
    if not np.all((label == 0) | (label == 1)):
        raise NightbookError("training table: is_default holds a value other than 0 and 1")
    return label.astype(np.int8)


def _check_keys(table: pa.Table) -> None:
    counts = (
        table.select(["entity_id", "as_of_date"]).group_by(["entity_id", "as_of_date"]).aggregate([([], "count_all")])
    )
    repeated = counts.filter(pc.greater(counts["count_all"], 1))
    if repeated.num_rows:
        entity, date = repeated["entity_id"][0].as_py(), repeated["as_of_date"][0].as_py()
        raise NightbookError(f"training table: {entity} at {date} occurs more than once; make its key unique")
    pairs = table.select(["customer_id", "split"]).group_by(["customer_id", "split"]).aggregate([])
    counts = pairs.group_by("customer_id").aggregate([([], "count_all")])
    shared = counts.filter(pc.greater(counts["count_all"], 1))
    if shared.num_rows:
        # The smallest id, because the order of groups is not guaranteed.
        customer = pc.min(shared["customer_id"]).as_py()
        raise NightbookError(
            f"training table: customer {customer} is in more than one split; assign splits by a hash of customer_id"
        )


def _check_classes(label: np.ndarray, masks: Sequence[np.ndarray], min_defaults: int) -> None:
    for name, mask in zip(SPLITS, masks, strict=True):
        rows, defaults = int(mask.sum()), int(label[mask].sum())
        if not rows:
            raise NightbookError(f"training table: split {name} is empty; land more matured cohorts")
        if min(defaults, rows - defaults) < 2:
            raise NightbookError(
                f"training table: split {name} has {defaults} defaults in {rows} rows; it needs two of each class"
            )
        if name == "train" and defaults < min_defaults:
            raise NightbookError(
                f"training table: split train has {defaults} defaults, fewer than {min_defaults}; land more history"
            )


def _matrix(table: pa.Table, features: Sequence[FeatureSpec]) -> np.ndarray:
    matrix = np.empty((table.num_rows, len(features)), dtype=np.float32)
    for number, feature in enumerate(features):
        column = table[feature.name]
        # A value too large for float32 becomes infinity.
        with np.errstate(over="ignore"):
            matrix[:, number] = frames.doubles(column)
        if np.count_nonzero(np.isfinite(matrix[:, number])) != len(column) - column.null_count:
            raise inference.not_a_number(f"feature {feature.name}")
    return matrix


def _any_varies(matrix: np.ndarray, mask: np.ndarray) -> bool:
    for number in range(matrix.shape[1]):
        values = matrix[mask, number]
        missing = np.isnan(values)
        if missing.any() != missing.all() or (not missing.any() and values.min() < values.max()):
            return True
    return False


def _halves(table: pa.Table, validation: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks for early stopping and for calibration: two halves of validation by customer, or all of it twice."""
    customers = table["customer_id"].filter(pa.array(validation)).combine_chunks().cast(pa.string()).dictionary_encode()
    # A different prefix, so that the halves are independent of the hash that made the splits.
    odd = [hashlib.sha256(f"calibration:{name}".encode()).digest()[0] & 1 for name in customers.dictionary.to_pylist()]
    stopping, for_calibration = np.zeros_like(validation), np.zeros_like(validation)
    is_odd = np.asarray(odd, dtype=bool)[customers.indices.to_numpy()]
    stopping[validation], for_calibration[validation] = ~is_odd, is_odd
    for half in (stopping, for_calibration):
        defaults = int(label[half].sum())
        if min(defaults, int(half.sum()) - defaults) < MIN_HALF_DEFAULTS:
            return validation, validation
    return stopping, for_calibration


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_fixed(kind: pa.DataType) -> bool:
    return pa.types.is_boolean(kind) or (pa.types.is_primitive(kind) and not pa.types.is_decimal(kind))


def _fixed_values(chunk: pa.Array) -> np.ndarray:
    """Values of a fixed-width chunk as bytes, zero under nulls."""
    kind = chunk.type
    if pa.types.is_boolean(kind):
        chunk = chunk.cast(pa.uint8())
    elif pa.types.is_temporal(kind):
        chunk = chunk.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    return pc.fill_null(chunk, pa.scalar(0).cast(chunk.type)).to_numpy(zero_copy_only=False)
