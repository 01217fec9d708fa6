"""What runs inside a Snowflake function: one batch of inputs in, one value per row out.

A handler gets a DataFrame whose columns are the arguments. It finds the model beside the library, as <digest>.ubj in
the function's imports.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xgboost as xgb

from nightbook.scoring import inference

if TYPE_CHECKING:
    from pandas import DataFrame

# Maximum number of rows per call of a function.
BATCH_ROWS = 16_384


def margin(batch: "DataFrame") -> np.ndarray:
    """Log odds of each row, float64 of the model's float32. Arguments as `_inputs`."""
    booster = _booster()
    matrix = _inputs(batch, booster.feature_names)
    return booster.inplace_predict(matrix, predict_type="margin").astype(np.float64)


def feature_digest(batch: "DataFrame") -> list[str]:
    """Digest of each row's inputs, as `inference.feature_digests`. Arguments as `_inputs`."""
    return inference.feature_digests(_inputs(batch, _booster().feature_names))


def pd(batch: "DataFrame") -> np.ndarray:
    """Probability of default of each row from its log odds, the only argument."""
    return inference.probability(batch[0].to_numpy(np.float32)).astype(np.float64)


def _inputs(batch: "DataFrame", names: Sequence[str] | None) -> np.ndarray:
    """The model's inputs as float32, NaN for missing.

    Args:
        batch: a column per input as double, and last the number of known inputs per row. pandas shows a null as NaN.
        names: the model's features, for the error message.

    Raises:
        NightbookError: an input holds NaN or infinity.
    """
    matrix = np.ascontiguousarray(batch.iloc[:, :-1].to_numpy(np.float32))
    if np.count_nonzero(np.isfinite(matrix)) != batch.iloc[:, -1].sum():
        infinite = np.flatnonzero(np.isinf(matrix).any(axis=0))
        what = f"feature {names[infinite[0]]}" if names and len(infinite) else "a feature"
        raise inference.not_a_number(what)
    return matrix


@functools.cache
def _booster() -> xgb.Booster:
    (file,) = Path(sys._xoptions["snowflake_import_directory"]).glob("*.ubj")
    booster = inference.load_booster(file.read_bytes(), file.stem)
    # The Snowflake warehouse runs one process per core.
    booster.set_param({"nthread": 1})
    return booster
