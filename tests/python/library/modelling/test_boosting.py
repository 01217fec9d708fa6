"""Reproducible fits, constraints, and calibration folded into the trees."""

import json

import numpy as np
import pytest
import xgboost as xgb
from nightbook.errors import NightbookError
from nightbook.modelling import boosting, calibration, metrics
from nightbook.modelling.boosting import FeatureSpec
from nightbook.modelling.calibration import Calibration
from nightbook.scoring import inference
from scipy import special


def boosted(rows, **options):
    return boosting.fit_boosted(
        rows.matrix[rows.train],
        rows.label[rows.train],
        rows.matrix[rows.validation],
        rows.label[rows.validation],
        rows.features,
        **({"threads": 1} | options),
    )


def forest(rows, **options):
    return boosting.fit_forest(
        rows.matrix[rows.train], rows.label[rows.train], rows.features, **({"threads": 1} | options)
    )


FITS = {"boosted_trees": boosted, "random_forest": forest}


@pytest.fixture(scope="session")
def fits(rows):
    return {name: fit(rows) for name, fit in FITS.items()}


@pytest.fixture(params=FITS)
def algorithm(request):
    return request.param


def test_same_bytes_again_and_on_any_number_of_threads(rows, fits, algorithm):
    expected = bytes(fits[algorithm].booster.save_raw("ubj"))
    for threads in (1, 2):
        assert bytes(FITS[algorithm](rows, threads=threads).booster.save_raw("ubj")) == expected


def test_another_seed_gives_another_model(rows, fits, algorithm):
    assert bytes(FITS[algorithm](rows, seed=8).booster.save_raw("ubj")) != bytes(
        fits[algorithm].booster.save_raw("ubj")
    )


def test_booster_names_its_features_and_ranks(rows, fits, algorithm):
    booster = fits[algorithm].booster
    assert tuple(booster.feature_names) == rows.names
    pd = inference.predict_pd(booster, rows.matrix[rows.holdout])
    assert metrics.auc(rows.label[rows.holdout], pd) > 0.7


def test_boosted_holds_the_best_trees_and_no_more(rows, fits):
    fit = fits["boosted_trees"]
    assert fit.booster.num_boosted_rounds() == fit.best_iteration + 1
    assert fit.booster.attributes() == {}
    assert len(fits["random_forest"].booster.get_dump()) == boosting.FOREST_TREES


def test_every_client_predicts_the_same_bits(rows, fits, algorithm):
    booster = fits[algorithm].booster
    frame = xgb.DMatrix(rows.matrix, feature_names=list(rows.names))
    assert np.array_equal(booster.predict(frame), inference.predict_pd(booster, rows.matrix).astype(np.float32))
    alone = inference.predict_pd(booster, rows.matrix[17:18])
    assert alone == inference.predict_pd(booster, rows.matrix)[17:18]


def test_few_defaults_still_grow_trees():
    generator = np.random.default_rng(4)
    matrix = generator.normal(size=(2000, 2)).astype(np.float32)
    label = (np.argsort(np.argsort(-(matrix[:, 0] + 0.5 * generator.normal(size=2000)))) < 20).astype(int)
    features = (FeatureSpec("signal", 1), FeatureSpec("noise"))
    fit = boosting.fit_boosted(matrix, label, matrix, label, features, threads=1)
    assert metrics.auc(label, boosting.predict_margin(fit.booster, matrix)) > 0.9


def test_forest_thins_a_large_train_split(rows, monkeypatch):
    monkeypatch.setattr(boosting, "FOREST_ROWS", 900)
    small = {"num_parallel_tree": 5}
    fit, again = forest(rows, params=small), forest(rows, params=small)
    model = json.loads(fit.booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    # A row weighs at most a quarter, and each tree sees 63 % of the 900 rows.
    assert model["trees"][0]["sum_hessian"][0] < 900 * 0.63 * 0.25
    assert bytes(fit.booster.save_raw("ubj")) == bytes(again.booster.save_raw("ubj"))


@pytest.mark.parametrize("name, monotone", [("a", 2), ("a", -3), ("a[1]", 0), ("a<b", 0), ("", 0)])
def test_feature_spec_refuses(name, monotone):
    with pytest.raises(NightbookError, match="feature"):
        FeatureSpec(name, monotone)


@pytest.mark.parametrize(
    "line",
    [
        Calibration(1.0, 0.0),
        Calibration(1.31, -0.42),
        Calibration(0.2, 3.0),
        Calibration(1.2, -12.0),
        Calibration(0.7, 15.0),
        Calibration(1.0, 25.0),
    ],
)
def test_fold_gives_the_calibrated_pd(rows, fits, algorithm, line):
    matrix = rows.matrix[:500]
    booster = fits[algorithm].booster
    expected = line.slope * boosting.predict_margin(booster, matrix) + line.intercept
    folded = calibration.fold(booster, line)
    np.testing.assert_allclose(inference.predict_pd(folded, matrix), special.expit(expected), atol=1e-6)
    np.testing.assert_allclose(boosting.predict_margin(folded, matrix), expected, atol=1e-4)
    contributions = folded.predict(xgb.DMatrix(matrix, feature_names=list(rows.names)), pred_contribs=True)
    np.testing.assert_allclose(contributions.sum(1), expected, atol=1e-4)


def test_fold_scales_contributions(rows, fits, algorithm):
    frame = xgb.DMatrix(rows.matrix[:200], feature_names=list(rows.names))
    before = fits[algorithm].booster.predict(frame, pred_contribs=True)
    after = calibration.fold(fits[algorithm].booster, Calibration(1.5, -9.0)).predict(frame, pred_contribs=True)
    np.testing.assert_allclose(after[:, :-1], 1.5 * before[:, :-1], atol=1e-5)
    np.testing.assert_allclose(after[:, -1], 1.5 * before[:, -1] - 9, atol=1e-4)


def test_fold_survives_ubjson_and_keeps_names(rows, fits, algorithm):
    folded = calibration.fold(fits[algorithm].booster, Calibration(1.1, -0.3))
    raw = folded.save_raw("ubj")
    loaded = xgb.Booster()
    loaded.load_model(bytearray(raw))
    assert loaded.save_raw("ubj") == raw
    assert tuple(loaded.feature_names) == rows.names
    assert np.array_equal(inference.predict_pd(loaded, rows.matrix), inference.predict_pd(folded, rows.matrix))


def test_fold_twice_is_fold_of_both(rows, fits, algorithm):
    booster = fits[algorithm].booster
    twice = calibration.fold(calibration.fold(booster, Calibration(1.5, -8.0)), Calibration(0.5, 2.0))
    once = calibration.fold(booster, Calibration(0.75, -2.0))
    np.testing.assert_allclose(
        boosting.predict_margin(twice, rows.matrix), boosting.predict_margin(once, rows.matrix), atol=1e-4
    )


def test_fitted_calibration_is_calibrated_on_its_rows(rows, fits, algorithm):
    matrix, label = rows.matrix[rows.validation], rows.label[rows.validation]
    line = calibration.fit(boosting.predict_margin(fits[algorithm].booster, matrix), label)
    pd = inference.predict_pd(calibration.fold(fits[algorithm].booster, line), matrix)
    assert metrics.calibration_slope_intercept(label, pd) == pytest.approx((1, 0), abs=1e-3)
    assert pd.mean() == pytest.approx(label.mean(), abs=1e-5)


def test_calibration_refuses():
    label = np.array([0, 0, 1, 1, 0, 1])
    with pytest.raises(NightbookError, match="wrong way round"):
        calibration.fit(np.array([2.0, 1.0, 0.5, 0.1, 0.2, 0.3]), label)
    with pytest.raises(NightbookError, match="does not vary"):
        calibration.fit(np.full(6, 0.3), label)
    with pytest.raises(NightbookError, match="separates"):
        calibration.fit(label.astype(float), label)


def test_fold_refuses(rows, fits):
    booster = fits["boosted_trees"].booster
    for line in (Calibration(0.0, 1.0), Calibration(-1.0, 0.0), Calibration(1.0, np.inf), Calibration(np.nan, 0.0)):
        with pytest.raises(ValueError, match="slope"):
            calibration.fold(booster, line)
    other = xgb.train({"objective": "reg:squarederror"}, xgb.DMatrix(rows.matrix, rows.label), 1)
    with pytest.raises(ValueError, match="binary:logistic"):
        calibration.fold(other, Calibration(1.0, 0.0))
