"""Drift of known size is reported with its size, and first. Without drift there is no alert."""

import datetime as dt

import numpy as np
from nightbook.modelling import metrics

from .conftest import ROOT, ok, refused
from .days import snapshots_of


def bins_of(home, model: str, version: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """feature -> (edges, shares with that of missing values first), from the champion's training."""
    rows = home.query(
        f"select feature, bin, up_to, share from scoring.reference_shares where model_name = '{model}'"
        f" and model_version = {version} order by feature, bin"
    )
    found: dict[str, tuple[list, list]] = {}
    for feature, _, up_to, share in rows:
        edges, shares = found.setdefault(feature, ([], []))
        shares.append(share)
        if up_to is not None:
            edges.append(up_to)
    return {feature: (np.array(edges), np.array(shares)) for feature, (edges, shares) in found.items()}


def formula(edges: np.ndarray, reference: np.ndarray, values: list[float | None]) -> float:
    """The PSI by its definition, over shares of all cases, with missing values in their own bin."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    counts = [len(values) - known.size, *metrics.bin_counts(known, edges)]
    actual = np.maximum(np.array(counts) / len(values), 0.0001)
    reference = np.maximum(reference, 0.0001)
    return float(np.sum((actual - reference) * np.log(actual / reference)))


def test_a_planted_drift_has_the_index_of_the_formula_and_is_named_first(copy):
    """Incomes rise by 60 %. That is less than a change of unit, but it moves everything that depends on them."""
    copy.execute("update raw.customers set annual_income = annual_income * 1.6")
    line = refused(copy.run("score"))
    psi = dict(copy.query("select feature, value from monitoring.fct_feature_psi where model_name = 'account_pd'"))
    [(features, version)] = copy.query(
        "select list(feature order by feature), max(model_version) from monitoring.fct_feature_psi"
        " where model_name = 'account_pd'"
    )
    bins = bins_of(copy, "account_pd", version)
    columns = copy.query(
        f"select {', '.join(features)} from scoring.account_inputs semi join intermediate.int_run using (run_id)"
    )
    for feature, values in zip(features, zip(*columns, strict=True), strict=True):
        given = [None if value is None else float(value) for value in values]
        assert abs(psi[feature] - formula(*bins[feature], given)) < 1e-9, feature
    [(worst, index)] = copy.query(
        "select feature, value from monitoring.fct_feature_psi where status = 'alert' and is_important"
        " order by value desc, model_name, feature limit 1"
    )
    assert "income" in worst and f"feature={worst}" in line and f"psi={index}" in line
    # The drift was recorded, although no score was.
    assert copy.query(
        "select count(*) from marts.fct_account_scores where run_id = (select run_id from intermediate.int_run)"
    ) == [(0,)]
    override = ",".join(
        f"drift:{model}.{feature}"
        for model, feature in copy.query(
            "select model_name, feature from monitoring.fct_feature_psi where status = 'alert'"
        )
    )
    ok(copy.run("score", "--override", override, "--reason", "the lender indexed all incomes"))
    assert copy.query(
        "select count(*) > 0 from monitoring.fct_feature_psi where is_overridden and status = 'alert'"
    ) == [(True,)]


def test_without_drift_an_alert_is_rarer_than_stated(demo):
    """A hundred nights of the training population itself: all inputs of both champions, with few cases.

    With 200 cases, the PSI of ten bins has a mean of 0.045 and exceeds 0.25 only once in about eight thousand. With
    1,400 accounts, a small lender's book, not even a warning (0.1) occurs.
    """
    home, _ = demo
    models = home.query("select distinct model_name, model_version from scoring.reference_shares")
    rates = {}
    for cases in (200, 1400):
        index = [
            metrics.psi(shares, generator.multinomial(cases, shares / shares.sum()) / cases)
            for model, version in models
            for _, shares in bins_of(home, model, version).values()
            for generator in [np.random.default_rng([cases, version, shares.size])]
            for _ in range(100)
        ]
        rates[cases] = tuple(float(np.mean(np.array(index) >= bar)) for bar in (0.1, 0.25))
    print(rates)
    assert rates[200][1] <= 0.0005 and rates[200][0] <= 0.05
    assert rates[1400] == (0.0, 0.0)


def test_the_first_days_of_a_month_are_no_drift(copy):
    """Hardly anybody has paid by the 2nd. As a month of its own, that would be a PSI of 4 and more."""
    second = dt.date(2026, 6, 2)
    copy.execute(f"insert into raw.loan_servicing by name {snapshots_of([second])}")
    ok(copy.run("score", "--as-of", second.isoformat()))
    indices = "select max(value) from monitoring.fct_feature_psi where model_name = 'account_pd' and as_of_date = '{}'"
    assert copy.query(indices.format(second)) < [(0.5,)]
    paid = "select count(*) from scoring.account_inputs where as_of_date = '2026-06-02' and unpaid_months_1m_sum = {}"
    assert copy.query(paid.format(0)) > copy.query(paid.format(1))
    # If two days counted as a month, the night would stop.
    lag = (ROOT / "macros" / "features" / "month_lag.sql").read_text()
    at_once = {"month_lag": lag.replace(" < 28 ", " < 0 ")}
    night = ("build", "--select", "tag:nightly", "--exclude-resource-type", "unit_test")
    done = copy.dbt(*night, macros=at_once, NIGHTBOOK_AS_OF=second.isoformat())
    assert at_once["month_lag"] != lag
    assert done.returncode and "features_are_not_broken" in done.stdout + done.stderr
