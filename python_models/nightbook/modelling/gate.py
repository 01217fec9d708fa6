"""What the gate's rules compare: statistics of candidate, champion and benchmark on the holdout.

The verdicts themselves are made in SQL, from the rules' thresholds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from nightbook.modelling import metrics
from nightbook.modelling.metrics import Difference, Interval
from nightbook.scoring import inference

# Single-precision sums of trees vary by less than this; a real violation is far larger.
MONOTONE_TOLERANCE = 1e-6

_BOOTSTRAPPED: dict[str, metrics.Statistic] = {
    "ks": metrics.ks_statistic,
    "brier": metrics.brier,
    "log_loss": metrics.log_loss,
}
# Metric and whose score it is -> its value, and its replicates of shape (r,).
Resampled = dict[tuple[str, str], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Measurement:
    """One metric on the holdout. A field that does not apply is None. difference = candidate minus champion.

    low, high: 95 % interval of value.
    p_value: of no difference from the champion. For a metric that is itself a difference, it is the p-value of that
        difference being zero (auc_minus_benchmark, auc_train_minus_holdout, calibration_in_the_large).
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    champion_value: float | None = None
    champion_low: float | None = None
    champion_high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p_value: float | None = None


def measure(
    holdout_label: np.ndarray,
    candidate_pd: np.ndarray,
    champion_pd: np.ndarray | None,
    benchmark_pd: np.ndarray,
    train_label: np.ndarray,
    train_pd: np.ndarray,
    booster: xgb.Booster,
    features: Sequence[str],
    monotone: Sequence[int],
    sample_matrix: np.ndarray,
) -> list[Measurement]:
    """Every statistic of the gate, in a fixed order.

    Args:
        holdout_label: 1 for default, 0 for good; shape (n,).
        candidate_pd, champion_pd, benchmark_pd: pd on the same holdout rows; shape (n,); None without a champion.
        train_label, train_pd: labels and the candidate's pd on split train; shape (m,).
        booster, features, monotone: the candidate, its features in order, their directions.
        sample_matrix: rows to sweep features over, float32 with NaN for missing; shape (k, f).

    Returns:
        auc, gini, ks, brier, log_loss, calibration_in_the_large (mean pd minus default rate), calibration_slope,
        auc_train_minus_holdout, score_psi_train_to_holdout (deciles of the train pd), auc_minus_benchmark,
        benchmark_auc, benchmark_ks, benchmark_brier, monotonicity_violations, holdout_rows, holdout_defaults,
        default_rate, mean_pd. calibration_slope is None where no logistic fit exists.

    Raises:
        ValueError: shapes differ, a class has fewer than two rows, or a pd is not finite or outside [0, 1].
    """
    label = np.asarray(holdout_label).astype(np.int64)
    candidate_pd, benchmark_pd = np.asarray(candidate_pd, dtype=float), np.asarray(benchmark_pd, dtype=float)
    champion_pd = None if champion_pd is None else np.asarray(champion_pd, dtype=float)
    area = _auc(label, candidate_pd, champion_pd)
    resampled = _resampled(label, {"candidate": candidate_pd, "champion": champion_pd, "benchmark": benchmark_pd})
    against_benchmark = metrics.auc_difference(label, candidate_pd, benchmark_pd)
    return [
        area,
        _gini(area),
        _bootstrapped("ks", resampled),
        _bootstrapped("brier", resampled),
        _bootstrapped("log_loss", resampled),
        _in_the_large(label, candidate_pd, champion_pd),
        _plain("calibration_slope", _slope, label, candidate_pd, champion_pd),
        _of_difference("auc_train_minus_holdout", metrics.auc_gap(train_label, train_pd, label, candidate_pd)),
        Measurement("score_psi_train_to_holdout", score_psi(train_pd, candidate_pd)),
        _of_difference("auc_minus_benchmark", against_benchmark),
        _of_interval("benchmark_auc", metrics.auc_interval(label, benchmark_pd)),
        _of_interval("benchmark_ks", _interval("ks", *resampled["ks", "benchmark"])),
        _of_interval("benchmark_brier", _interval("brier", *resampled["brier", "benchmark"])),
        Measurement(
            "monotonicity_violations",
            float(monotonicity_violations(booster, features, monotone, sample_matrix)),
        ),
        Measurement("holdout_rows", float(label.size)),
        Measurement("holdout_defaults", float(label.sum())),
        Measurement("default_rate", float(label.mean())),
        _plain("mean_pd", lambda _, pd: float(pd.mean()), label, candidate_pd, champion_pd),
    ]


def score_psi(reference_pd: np.ndarray, actual_pd: np.ndarray, bins: int = 10) -> float:
    """PSI of a score over the quantile bins of its reference (deciles by default)."""
    edges = metrics.quantile_edges(reference_pd, bins)
    reference, actual = (metrics.bin_counts(pd, edges) / len(pd) for pd in (reference_pd, actual_pd))
    return metrics.psi(reference, actual)


def monotonicity_violations(
    booster: xgb.Booster,
    features: Sequence[str],
    monotone: Sequence[int],
    matrix: np.ndarray,
    grid: int = 20,
    rows: int = 200,
) -> int:
    """Number of steps at which the pd moves against a feature's stated direction by more than 1e-6.

    Each constrained feature is swept over the quantiles of its observed values, all else equal. The rows are spread
    evenly over the matrix.

    Args:
        booster, features, monotone: as `measure`.
        matrix: rows in the booster's feature order, float32 with NaN for missing; shape (n, f).
        grid: maximum number of values per feature.
        rows: maximum number of rows.

    Raises:
        ValueError: features, monotone and the matrix differ in width.
    """
    if not len(features) == len(monotone) == matrix.shape[1]:
        raise ValueError("features, monotone and the matrix must have the same width")
    if not len(matrix):
        return 0
    sample = matrix[np.unique(np.linspace(0, len(matrix) - 1, rows).astype(int))].astype(np.float32)
    violations = 0
    for column, direction in enumerate(monotone):
        known = matrix[:, column][~np.isnan(matrix[:, column])]
        if direction == 0 or not known.size:
            continue
        steps = np.unique(np.quantile(known, np.linspace(0, 1, grid), method="inverted_cdf"))
        swept = np.repeat(sample, steps.size, axis=0)
        swept[:, column] = np.tile(steps, len(sample))
        pd = inference.predict_pd(booster, swept).reshape(len(sample), steps.size)
        violations += int(np.count_nonzero(np.diff(pd, axis=1) * direction < -MONOTONE_TOLERANCE))
    return violations


def _auc(label: np.ndarray, candidate: np.ndarray, champion: np.ndarray | None) -> Measurement:
    value = metrics.auc_interval(label, candidate)
    if champion is None:
        return _against("auc", value)
    return _against(
        "auc", value, metrics.auc_interval(label, champion), metrics.auc_difference(label, candidate, champion)
    )


def _gini(area: Measurement) -> Measurement:
    def level(value: float | None) -> float | None:
        return None if value is None else 2 * value - 1

    def gap(value: float | None) -> float | None:
        return None if value is None else 2 * value

    return Measurement(
        "gini",
        level(area.value),
        level(area.low),
        level(area.high),
        level(area.champion_value),
        level(area.champion_low),
        level(area.champion_high),
        gap(area.difference),
        gap(area.difference_low),
        gap(area.difference_high),
        area.p_value,
    )


def _resampled(label: np.ndarray, pds: dict[str, np.ndarray | None]) -> Resampled:
    """Every bootstrapped metric of every score, from one set of weights: drawing them costs most at a large holdout."""
    wanted = {
        (metric, whose): (statistic, pd)
        for whose, pd in pds.items()
        if pd is not None
        for metric, statistic in _BOOTSTRAPPED.items()
    }
    replicates = metrics.paired_replicates(list(wanted.values()), label)
    return {
        key: (statistic(label, pd), found)
        for (key, (statistic, pd)), found in zip(wanted.items(), replicates, strict=True)
    }


def _bootstrapped(name: str, resampled: Resampled) -> Measurement:
    value, replicates = resampled[name, "candidate"]
    interval = _interval(name, value, replicates)
    if (name, "champion") not in resampled:
        return _against(name, interval)
    other, other_replicates = resampled[name, "champion"]
    return _against(
        name,
        interval,
        _interval(name, other, other_replicates),
        metrics.difference_of(value - other, replicates - other_replicates),
    )


def _interval(name: str, value: float, replicates: np.ndarray) -> Interval:
    return metrics.interval_of(value, replicates, most=np.inf if name == "log_loss" else 1.0)


def _in_the_large(label: np.ndarray, candidate: np.ndarray, champion: np.ndarray | None) -> Measurement:
    gap = metrics.calibration_in_the_large(label, candidate)
    if champion is None:
        return _of_difference("calibration_in_the_large", gap)
    other = metrics.calibration_in_the_large(label, champion)
    return Measurement(
        "calibration_in_the_large",
        gap.value,
        gap.low,
        gap.high,
        other.value,
        other.low,
        other.high,
        difference=gap.value - other.value,
        p_value=gap.p_value,
    )


def _slope(label: np.ndarray, pd: np.ndarray) -> float | None:
    try:
        return metrics.calibration_slope_intercept(label, pd)[0]
    except ValueError:
        return None


def _plain(
    name: str,
    statistic: Callable[[np.ndarray, np.ndarray], float | None],
    label: np.ndarray,
    candidate: np.ndarray,
    champion: np.ndarray | None,
) -> Measurement:
    value = statistic(label, candidate)
    other = None if champion is None else statistic(label, champion)
    difference = None if value is None or other is None else value - other
    return Measurement(name, value, champion_value=other, difference=difference)


def _against(
    name: str, value: Interval, champion: Interval | None = None, difference: Difference | None = None
) -> Measurement:
    if champion is None or difference is None:
        return _of_interval(name, value)
    return Measurement(
        name,
        value.value,
        value.low,
        value.high,
        champion.value,
        champion.low,
        champion.high,
        difference.value,
        difference.low,
        difference.high,
        difference.p_value,
    )


def _of_interval(name: str, interval: Interval) -> Measurement:
    return Measurement(name, interval.value, interval.low, interval.high)


def _of_difference(name: str, difference: Difference) -> Measurement:
    return Measurement(name, difference.value, difference.low, difference.high, p_value=difference.p_value)
