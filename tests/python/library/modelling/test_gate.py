"""The gate's measurements of candidates that are known to be good, useless, leaked, worse or not monotone."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
from nightbook.modelling import boosting, gate, metrics, scorecard, training
from nightbook.modelling.boosting import FeatureSpec
from nightbook.scoring import inference
from scipy import special

METRICS = [
    "auc",
    "gini",
    "ks",
    "brier",
    "log_loss",
    "calibration_in_the_large",
    "calibration_slope",
    "auc_train_minus_holdout",
    "score_psi_train_to_holdout",
    "auc_minus_benchmark",
    "benchmark_auc",
    "benchmark_ks",
    "benchmark_brier",
    "monotonicity_violations",
    "holdout_rows",
    "holdout_defaults",
    "default_rate",
    "mean_pd",
]


def measured(rows, candidate, champion_pd=None, candidate_pd=None):
    booster = inference.load_booster(candidate.booster_bytes, candidate.digest)
    holdout, train = rows.matrix[rows.holdout], rows.matrix[rows.train]
    found = gate.measure(
        rows.label[rows.holdout],
        inference.predict_pd(booster, holdout) if candidate_pd is None else candidate_pd,
        champion_pd,
        scorecard.fit_logistic(train, rows.label[rows.train], rows.names).pd(holdout),
        rows.label[rows.train],
        inference.predict_pd(booster, train),
        booster,
        candidate.features,
        candidate.monotone,
        holdout,
    )
    return {measurement.metric: measurement for measurement in found}


@pytest.fixture(scope="session")
def holdout_pd(rows, candidate):
    booster = inference.load_booster(candidate.booster_bytes, candidate.digest)
    return inference.predict_pd(booster, rows.matrix[rows.holdout])


def test_first_candidate_has_no_champion(rows, candidate, holdout_pd):
    found = measured(rows, candidate)
    label = rows.label[rows.holdout]
    assert list(found) == METRICS
    for measurement in found.values():
        assert measurement.champion_value is None and measurement.difference is None
        assert all(value is None or type(value) is float for value in dataclasses.astuple(measurement)[1:])
        assert math.isfinite(measurement.value)
    assert found["auc"].value == pytest.approx(metrics.auc(label, holdout_pd), abs=1e-12)
    assert found["gini"].low == pytest.approx(2 * found["auc"].low - 1)
    assert found["ks"].low < found["ks"].value == metrics.ks_statistic(label, holdout_pd) < found["ks"].high
    assert found["calibration_in_the_large"].value == pytest.approx(holdout_pd.mean() - label.mean())
    assert found["calibration_slope"].value == metrics.calibration_slope_intercept(label, holdout_pd)[0]
    assert found["score_psi_train_to_holdout"].value < 0.1
    assert found["monotonicity_violations"].value == 0
    assert (found["holdout_rows"].value, found["holdout_defaults"].value) == (label.size, label.sum())


def test_champion_against_itself_is_no_difference(rows, candidate, holdout_pd):
    found = measured(rows, candidate, champion_pd=holdout_pd)
    for name in ("auc", "gini", "ks", "brier", "log_loss"):
        one = found[name]
        assert (one.difference, one.difference_low, one.difference_high, one.p_value) == (0, 0, 0, 1)
        assert (one.champion_value, one.champion_low, one.champion_high) == (one.value, one.low, one.high)
    assert found["mean_pd"].difference == found["calibration_in_the_large"].difference == 0


def test_slightly_worse_candidate_shows(rows, candidate, holdout_pd):
    noise = 0.6 * np.random.default_rng(1).normal(size=holdout_pd.size)
    worse = special.expit(special.logit(holdout_pd) + noise)
    found = measured(rows, candidate, champion_pd=holdout_pd, candidate_pd=worse)
    assert found["auc"].difference < -0.005 and found["auc"].difference_high < 0 and found["auc"].p_value < 0.05
    assert found["gini"].difference == pytest.approx(2 * found["auc"].difference)
    assert found["brier"].difference > 0 and found["brier"].difference_low > 0


def test_shuffled_labels_give_a_useless_candidate(table, features):
    labels = np.random.default_rng(1).permutation(table["is_default"].to_numpy())
    shuffled = table.set_column(4, "is_default", pa.array(labels))
    rows = training.TrainingSet.from_arrow(shuffled, features)
    matrix, label = rows.matrix[rows.train], rows.label[rows.train]
    fit = boosting.fit_forest(matrix, label, features, threads=1)
    fitted = scorecard.fit_logistic(matrix, label, rows.names)
    holdout = rows.matrix[rows.holdout]
    pd, train_pd = inference.predict_pd(fit.booster, holdout), inference.predict_pd(fit.booster, matrix)
    found = {
        measurement.metric: measurement
        for measurement in gate.measure(
            rows.label[rows.holdout],
            pd,
            None,
            fitted.pd(holdout),
            label,
            train_pd,
            fit.booster,
            rows.names,
            (1, -1, 1, 0, -1),
            holdout,
        )
    }
    assert found["auc"].low < 0.5 < found["auc"].high and abs(found["auc"].value - 0.5) < 0.07
    assert found["auc_minus_benchmark"].low < 0
    assert found["auc_train_minus_holdout"].low > 0.05


def test_leaked_column_shows(table):
    generator = np.random.default_rng(1)
    leak = table["is_default"].to_numpy() + 0.3 * generator.normal(size=table.num_rows)
    leaked = table.append_column("leak", pa.array(leak))
    features = (FeatureSpec("leak"), FeatureSpec("utilization", 1))
    candidate = training.train(leaked, features, model_name="account_pd", threads=1)
    found = measured(training.TrainingSet.from_arrow(leaked, features), candidate)
    assert found["auc"].low > 0.95 and found["auc"].value > 0.97


def test_unconstrained_booster_on_planted_data_is_found_out():
    generator = np.random.default_rng(1)
    matrix = generator.uniform(-1, 1, size=(3000, 2)).astype(np.float32)
    # Falls, then rises, so that no direction holds.
    label = (generator.random(3000) < special.expit(6 * matrix[:, 0] ** 2 - 2)).astype(int)
    names, directions = ("bent", "noise"), (1, 0)
    for monotone, is_found in ((0, True), (1, False)):
        specs = (FeatureSpec("bent", monotone), FeatureSpec("noise"))
        boosted = boosting.fit_boosted(matrix, label, matrix, label, specs, threads=1)
        for fit in (boosted, boosting.fit_forest(matrix, label, specs, threads=1)):
            assert (gate.monotonicity_violations(fit.booster, names, directions, matrix) > 0) is is_found
    assert gate.monotonicity_violations(fit.booster, names, (0, 0), matrix) == 0


def test_violations_take_missing_columns_and_few_rows(rows, candidate):
    booster = inference.load_booster(candidate.booster_bytes, candidate.digest)
    few = rows.matrix[:3].copy()
    few[:, 0] = np.nan
    assert gate.monotonicity_violations(booster, candidate.features, candidate.monotone, few) == 0
    assert gate.monotonicity_violations(booster, candidate.features, candidate.monotone, few[:0]) == 0
    with pytest.raises(ValueError, match="width"):
        gate.monotonicity_violations(booster, candidate.features, candidate.monotone, few[:, :2])


def test_slope_without_a_fit_is_none(rows, candidate):
    flat = np.full(int(rows.holdout.sum()), 0.2)
    found = measured(rows, candidate, champion_pd=flat)
    assert found["calibration_slope"].champion_value is None and found["calibration_slope"].difference is None
    assert found["auc"].champion_value == 0.5 and found["auc"].difference_low > 0


def test_score_psi_sees_a_shift():
    pd = np.random.default_rng(1).beta(1, 9, 5000)
    assert gate.score_psi(pd, pd) == 0
    assert gate.score_psi(pd, np.minimum(1.8 * pd, 1)) > 0.25


def test_mismatched_holdout_is_an_error(rows, candidate, holdout_pd):
    with pytest.raises(ValueError, match="shape"):
        measured(rows, candidate, champion_pd=holdout_pd[:-1])
