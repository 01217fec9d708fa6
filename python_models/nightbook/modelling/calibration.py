"""Logistic calibration of a booster's margins, folded into the booster itself.

The folded artifact is one native XGBoost model. Any client reads calibrated probabilities from it, and its
contributions (`pred_contribs`) sum to the calibrated margin.
"""

import json
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from scipy import special

from nightbook.errors import NightbookError
from nightbook.modelling.metrics import logistic_line

# XGBoost stores the base score as a float32 probability. Beyond this margin its logit loses the fifth decimal, and near
# 17 it becomes infinite. So the rest goes into the leaves of the first tree.
_BASE_MARGIN_LIMIT = 4.0


@dataclass(frozen=True)
class Calibration:
    """calibrated margin = slope x margin + intercept, in log-odds."""

    slope: float
    intercept: float


def fit(margin: np.ndarray, label: np.ndarray) -> Calibration:
    """Unpenalised logistic regression of the outcome on the margin.

    Args:
        margin: log-odds from the booster on rows that it was not trained on; shape (n,).
        label: 1 for default, 0 for good; shape (n,).

    Raises:
        NightbookError: the margins do not vary, separate the classes, or rank them the wrong way round.

    Source: Platt (1999), Advances in Large Margin Classifiers, without his target smoothing.
    """
    try:
        slope, intercept = logistic_line(label, margin)
    except ValueError as error:
        raise NightbookError(
            f"calibration on the validation split failed: {error}; check the training table for too few rows or a leak"
        ) from error
    if slope <= 0:
        raise NightbookError(
            f"calibration slope is {slope:.4g}: the model ranks the validation split the wrong way round; "
            "check its features and labels"
        )
    return Calibration(slope, intercept)


def fold(booster: xgb.Booster, calibration: Calibration) -> xgb.Booster:
    """A new booster whose predicted probability is the calibrated one (within 1e-5; floats are single precision).

    Every leaf is multiplied by the slope and the base score is shifted. So the order of predictions along any feature
    stays, and with it the monotone constraints.

    Args:
        booster: gbtree (boosted or forest), objective binary:logistic.
        calibration: the slope and intercept to fold in.

    Raises:
        ValueError: another booster or objective, or a slope of 0 or less.
    """
    if not (calibration.slope > 0 and np.isfinite(calibration.slope) and np.isfinite(calibration.intercept)):
        raise ValueError("slope must be above 0, and slope and intercept finite")
    document = json.loads(booster.save_raw("json"))
    learner = document["learner"]
    gradient_booster = learner["gradient_booster"]
    if gradient_booster["name"] != "gbtree" or learner["objective"]["name"] != "binary:logistic":
        raise ValueError("only a gbtree booster with objective binary:logistic can be folded")
    model = learner["learner_model_param"]
    base = float(special.logit(float(model["base_score"].strip("[]"))))
    wanted = calibration.slope * base + calibration.intercept
    kept = np.float32(special.expit(np.clip(wanted, -_BASE_MARGIN_LIMIT, _BASE_MARGIN_LIMIT)))
    # XGBoost 3.1 and later write a list in a string ('[5E-1]'), earlier versions a bare number. The form is kept.
    bracketed = model["base_score"].startswith("[")
    model["base_score"] = f"[{kept:.9e}]" if bracketed else f"{kept:.9e}"
    rest = wanted - float(special.logit(float(kept)))
    for number, tree in enumerate(gradient_booster["model"]["trees"]):
        shift = rest if number == 0 else 0.0
        is_leaf = np.asarray(tree["left_children"]) == -1
        weights = np.asarray(tree["base_weights"], dtype=np.float64) * calibration.slope + shift
        conditions = np.asarray(tree["split_conditions"], dtype=np.float64)
        conditions = np.where(is_leaf, conditions * calibration.slope + shift, conditions)
        tree["base_weights"] = weights.tolist()
        tree["split_conditions"] = conditions.tolist()
    folded = xgb.Booster()
    folded.load_model(bytearray(json.dumps(document).encode()))
    return folded
