"""The two XGBoost candidates: boosted trees and a random forest, under the same monotone constraints.

Fits are reproducible: the same rows in the same order give the same bytes, on any number of threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from nightbook.errors import NightbookError

ROUNDS = 600
PATIENCE = 40
FOREST_TREES = 200
# A forest's error levels off long before this many rows, while its cost grows with every row.
FOREST_ROWS = 50_000

BOOSTED_PARAMS = {
    "learning_rate": 0.05,
    "max_depth": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "reg_lambda": 5.0,
}
FOREST_PARAMS = {
    "learning_rate": 1.0,
    "num_parallel_tree": FOREST_TREES,
    "max_depth": 10,
    "subsample": 0.63,
    "colsample_bynode": 0.4,
    "reg_lambda": 1e-3,
}


@dataclass(frozen=True)
class FeatureSpec:
    """A feature that the model reads, and the direction in which it may move the pd.

    monotone: 1 if the pd never falls as the feature rises, -1 if it never rises, 0 if free.

    Raises:
        NightbookError: another direction, or a name that XGBoost cannot store.
    """

    name: str
    monotone: int = 0

    def __post_init__(self) -> None:
        if self.monotone not in (-1, 0, 1):
            raise NightbookError(f"feature {self.name}: monotone is {self.monotone!r}; set it to -1, 0 or 1")
        if not self.name or set(self.name) & set("[]<"):
            raise NightbookError(f"feature {self.name!r}: rename it; a name must not be empty or have [, ] or <")


@dataclass(frozen=True)
class Fit:
    """A fitted booster with only the trees to use, its parameters, and the round at which it stopped (from 0)."""

    booster: xgb.Booster
    params: dict
    best_iteration: int


def fit_boosted(
    matrix: np.ndarray,
    label: np.ndarray,
    validation_matrix: np.ndarray,
    validation_label: np.ndarray,
    features: Sequence[FeatureSpec],
    *,
    seed: int = 7,
    threads: int = 2,
    params: dict | None = None,
) -> Fit:
    """Gradient-boosted trees, stopped when validation log loss has not improved for 40 rounds (600 at most).

    Args:
        matrix: training rows, float32 with NaN for missing; shape (n, f).
        label: 1 for default, 0 for good; shape (n,).
        validation_matrix, validation_label: rows for early stopping; shapes (m, f) and (m,).
        features: one spec per column.
        seed, threads: the seed changes the fit, the number of threads does not.
        params: XGBoost parameters that replace the defaults.

    Source: Chen and Guestrin (2016), XGBoost, KDD.
    """
    settings = _settings(BOOSTED_PARAMS, label, features, seed, threads, most_child_weight=20.0)
    # Log loss is a proper score, and still moves where AUC does not.
    settings |= {"eval_metric": "logloss"} | (params or {})
    train = _quantiles(matrix, label, features, settings)
    validation = _quantiles(validation_matrix, validation_label, features, settings, reference=train)
    booster = xgb.train(
        settings,
        train,
        ROUNDS,
        evals=[(validation, "validation")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    best = booster.best_iteration
    return Fit(_bare(booster[: best + 1]), settings, best)


def fit_forest(
    matrix: np.ndarray,
    label: np.ndarray,
    features: Sequence[FeatureSpec],
    *,
    seed: int = 7,
    threads: int = 2,
    params: dict | None = None,
) -> Fit:
    """A random forest of 200 deep trees, each on 63 % of the rows, grown in one round.

    Above 50,000 rows, the forest uses a sample of that many, drawn once by the seed and kept in order. Arguments as
    `fit_boosted`.

    Source: Breiman (2001), Machine Learning 45:5-32, grown on XGBoost's second-order gains.
    """
    if len(label) > FOREST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(label), FOREST_ROWS, replace=False))
        matrix, label = matrix[rows], label[rows]
    settings = _settings(FOREST_PARAMS, label, features, seed, threads, most_child_weight=10.0) | (params or {})
    booster = xgb.train(settings, _quantiles(matrix, label, features, settings), 1)
    return Fit(_bare(booster), settings, 0)


def predict_margin(booster: xgb.Booster, matrix: np.ndarray) -> np.ndarray:
    """Log-odds of default, float64 of shape (n,). Columns of `matrix` are in the booster's feature order."""
    return booster.inplace_predict(matrix, predict_type="margin").astype(np.float64)


def _settings(
    params: dict, label: np.ndarray, features: Sequence[FeatureSpec], seed: int, threads: int, most_child_weight: float
) -> dict:
    # A leaf weighs p(1-p) per row. A fixed weight for thousands of defaults would forbid every split on a few dozen.
    rate = float(np.mean(label))
    child_weight = float(np.clip(0.005 * len(label) * rate * (1 - rate), 1.0, most_child_weight))
    return {
        "booster": "gbtree",
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_bin": 256,
        "min_child_weight": round(child_weight, 6),
        "monotone_constraints": "(" + ",".join(str(feature.monotone) for feature in features) + ")",
        "seed": seed,
        "nthread": threads,
    } | params


def _quantiles(
    matrix: np.ndarray,
    label: np.ndarray,
    features: Sequence[FeatureSpec],
    settings: dict,
    reference: xgb.QuantileDMatrix | None = None,
) -> xgb.QuantileDMatrix:
    """The rows as 256 quantile bins per feature: one byte per value instead of a float32 copy."""
    return xgb.QuantileDMatrix(
        matrix,
        label,
        feature_names=[feature.name for feature in features],
        missing=np.nan,
        max_bin=settings["max_bin"],
        nthread=settings["nthread"],
        ref=reference,
    )


def _bare(booster: xgb.Booster) -> xgb.Booster:
    # Clients that find best_iteration cut the trees there. The booster holds only these trees, so the attribute must
    # go.
    booster.set_attr(best_iteration=None, best_score=None)
    return booster
