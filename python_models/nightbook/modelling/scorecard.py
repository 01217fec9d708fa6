"""A transparent scorecard as the candidates' benchmark: logistic regression on binned features, never deployed."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import KBinsDiscretizer

BINS = 8
# Enough for a thousand weights, and a fit of 140 features stays within a minute.
MOST_ROWS = 100_000
_CHUNK_ROWS = 100_000


class LogisticBenchmark:
    """A fitted scorecard: the pd of each row, and its weights in readable form."""

    def __init__(self, pipeline: Pipeline, features: Sequence[str]) -> None:
        self._pipeline = pipeline
        self._features = tuple(features)

    def pd(self, matrix: np.ndarray) -> np.ndarray:
        """Probability of default, float64 of shape (n,). `matrix` is float32 with NaN for missing, shape (n, f)."""
        pd = np.empty(len(matrix))
        for start in range(0, len(matrix), _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            pd[rows] = self._pipeline.predict_proba(matrix[rows])[:, 1]
        return pd

    def coefficients(self) -> list[tuple[str, str, float]]:
        """(feature, bin, weight in log-odds), feature by feature, then 'missing' flags, then the intercept.

        A missing value counts both in the bin of the feature's median and in its flag.
        """
        union, model = self._pipeline[0], self._pipeline[-1]
        (_, binned), (_, missing) = union.transformer_list
        labels = [
            (feature, bin_label)
            for feature, edges in zip(self._features, binned[-1].bin_edges_, strict=True)
            for bin_label in _bin_labels(edges)
        ]
        labels += [(self._features[column], "missing") for column in missing.features_]
        weights = [float(weight) for weight in model.coef_[0]]
        rows = [(feature, bin_label, weight) for (feature, bin_label), weight in zip(labels, weights, strict=True)]
        return [*rows, ("intercept", "", float(model.intercept_[0]))]


def fit_logistic(
    matrix: np.ndarray, label: np.ndarray, features: Sequence[str], *, penalty: float = 30.0, seed: int = 7
) -> LogisticBenchmark:
    """Median imputation with missing flags, eight quantile bins per feature one-hot, L2 logistic regression.

    Above 100,000 rows, it is fitted on a sample of that many, drawn once by the seed.

    Args:
        matrix: training rows, float32 with NaN for missing; shape (n, f).
        label: 1 for default, 0 for good; shape (n,).
        features: names of the columns.
        penalty: weight of the L2 penalty (scikit-learn's 1/C).
        seed: of the sample and the solver.

    Source: Siddiqi, Intelligent Credit Scoring (2017), on coarse classing; Baesens et al. (2003), JORS 54:627-635.
    """
    if len(label) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(label), MOST_ROWS, replace=False))
        matrix, label = matrix[rows], label[rows]
    pipeline = make_pipeline(
        make_union(
            make_pipeline(
                SimpleImputer(strategy="median", keep_empty_features=True),
                KBinsDiscretizer(
                    BINS, encode="onehot", strategy="quantile", quantile_method="inverted_cdf", subsample=None
                ),
            ),
            MissingIndicator(features="missing-only", sparse=True, error_on_new=False),
        ),
        LogisticRegression(C=1 / penalty, max_iter=300, random_state=seed),
    )
    with warnings.catch_warnings():
        # Features with few values have fewer bins, and constant features have one. That is expected.
        warnings.filterwarnings("ignore", message="Bins whose width|Feature .* is constant", category=UserWarning)
        pipeline.fit(matrix, label)
    return LogisticBenchmark(pipeline, features)


def _bin_labels(edges: np.ndarray) -> list[str]:
    inner = [f"{edge:.6g}" for edge in edges[1:-1]]
    lows, highs = ["-inf", *inner], [*inner, "inf"]
    return [f"[{low}, {high})" for low, high in zip(lows, highs, strict=True)]
