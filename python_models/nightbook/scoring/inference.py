"""From a matrix of inputs to the parts of a score. Every engine runs these functions, so the bits are the same."""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import xgboost as xgb

from nightbook.engine import frames
from nightbook.engine.frames import CACHED_ROWS
from nightbook.errors import NightbookError


def load_booster(booster_bytes: bytes, digest: str) -> xgb.Booster:
    """Load the booster of an artifact if its SHA-256 is the expected one. XGBoost's format holds data, never code.

    Args:
        booster_bytes: UBJSON as in `training.Candidate.booster_bytes`.
        digest: expected SHA-256, hexadecimal.

    Raises:
        NightbookError: the digest differs, or the bytes are not a booster.
    """
    actual = hashlib.sha256(booster_bytes).hexdigest()
    if actual != digest.lower():
        raise NightbookError(
            f"model file has SHA-256 {actual}, but the registry says {digest}: do not use it; restore the artifact"
        )
    booster = xgb.Booster()
    try:
        booster.load_model(bytearray(booster_bytes))
    except xgb.core.XGBoostError as error:
        raise NightbookError("model file is not an XGBoost booster; restore the artifact") from error
    return booster


def predict_pd(booster: xgb.Booster, matrix: np.ndarray) -> np.ndarray:
    """Probability of default, float64 (exact value of XGBoost's float32), shape (n,)."""
    return booster.inplace_predict(matrix).astype(np.float64)


def gains(booster: xgb.Booster) -> dict[str, float]:
    """Feature -> total loss reduction of its splits. Features that no split reads are missing."""
    found = booster.get_score(importance_type="total_gain")
    # Trees give a number; linear models would give a list.
    return {name: gain for name, gain in found.items() if isinstance(gain, float)}


def inputs(batch: pa.RecordBatch | pa.Table, features: Sequence[str]) -> np.ndarray:
    """A model's inputs as float32, NaN for null, shape (rows, features). What training refuses is refused here too.

    Raises:
        NightbookError: an input holds NaN or infinity.
    """
    matrix = frames.matrix(batch, features)
    known = [batch.num_rows - batch.column(name).null_count for name in features]
    if np.count_nonzero(np.isfinite(matrix)) != sum(known):
        odd = np.flatnonzero(np.isfinite(matrix).sum(axis=0) != known)[0]
        raise not_a_number(f"feature {features[odd]}")
    return matrix


def not_a_number(what: str) -> NightbookError:
    """The error for an input that holds NaN or infinity."""
    return NightbookError(f"{what}: holds NaN or infinity; store null for unknown values")


def feature_digests(matrix: np.ndarray) -> list[str]:
    """SHA-256 of each row of a float32 matrix, shape (n, f), 32 hexadecimal digits. All NaN count as the same value."""
    width = matrix.shape[1] * 4
    digests = []
    # In blocks of rows that stay in the processor's cache from one step to the next.
    for block in range(0, len(matrix), CACHED_ROWS):
        canonical = (matrix[block : block + CACHED_ROWS] + np.float32(0)).astype("<f4", "C", copy=False)
        np.copyto(canonical, np.nan, where=np.isnan(canonical))
        buffer = canonical.data.cast("B")
        digests += [
            hashlib.sha256(buffer[start : start + width]).hexdigest()[:32] for start in range(0, len(buffer), width)
        ]
    return digests


def probability(margin: np.ndarray) -> np.ndarray:
    """XGBoost's own logistic function of a float32 margin, shape (n,), equal to the bit to what its trees predict."""
    link = _link()
    return link.inplace_predict(np.zeros((len(margin), 1), dtype=np.float32), base_margin=margin)


@functools.cache
def _link() -> xgb.Booster:
    """A model without trees: it predicts the objective's transformation of the margin that it is given."""
    nothing = xgb.DMatrix(np.zeros((1, 1), dtype=np.float32), label=np.zeros(1))
    return xgb.train({"objective": "binary:logistic", "base_score": 0.5, "nthread": 1}, nothing, num_boost_round=0)
