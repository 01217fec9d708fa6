"""The macro `performance` against the library's statistics, all pairs, and outcomes drawn from the PDs."""

import numpy as np
import pyarrow as pa
import pytest
from nightbook.modelling import metrics
from scipy import special

SQL = """
    with cases as (
        select
            population, {{ pd_step('pd') }} as pd_step, count(*) as case_count,
            cast(sum(is_default) as bigint) as default_count
        from scored
        group by population, {{ pd_step('pd') }}
    )

    select * from ({{ performance('cases', ['population']) }}) as figures
"""
Z = 1.959963985


def measured(project, populations: dict[str, tuple], threads: int = 1) -> dict[tuple[str, str], tuple]:
    """(population, metric) -> value, low, high, cases, defaults. populations: name -> pd, label or None."""
    parts = [
        pa.table({
            "population": [name] * len(pd),
            "pd": pa.array(pd, pa.float64()),
            "is_default": pa.nulls(len(pd), pa.int32()) if label is None else pa.array(label, pa.int32()),
        })
        for name, (pd, label) in populations.items()
    ]  # fmt: skip
    rows = project.query(SQL, tables={"scored": pa.concat_tables(parts)}, threads=threads)
    return {(name, metric): tuple(map(_float, figures)) for name, metric, *figures in rows}


def _float(value) -> float | None:
    return None if value is None else float(value)


def drawn(
    rows: int, shift: float = 0.0, slope: float = 1.2, spread: float = 1.0, seed: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """PDs and outcomes of a model that is calibrated if slope is 1.2. shift and spread change the population."""
    generator = np.random.default_rng(seed)
    signal = generator.normal(shift, spread, rows)
    pd = special.expit(1.2 * signal - 3)
    return np.round(pd, 6), (generator.random(rows) < special.expit(slope * signal - 3)).astype(int)


def by_pairs(pd: np.ndarray) -> float:
    """Expected AUC over all pairs, weighted by the chance that the first defaults and the second does not."""
    weight = pd[:, None] * (1 - pd[None, :]) * (1 - np.eye(len(pd)))
    right = (pd[:, None] > pd[None, :]) + 0.5 * (pd[:, None] == pd[None, :])
    return float((weight * right).sum() / weight.sum())


@pytest.mark.parametrize("rows, places", [(3000, 6), (3000, 2), (40, 1)])
def test_realised_figures_are_those_of_the_library(project, rows, places):
    """On PDs without ties, with many ties, and on a handful of cases."""
    pd, label = drawn(rows, shift=1)
    pd = np.round(pd, places)
    found = measured(project, {"p": (pd, label)})
    area = metrics.auc_interval(label, pd)
    assert found["p", "auc"][:3] == pytest.approx((area.value, area.low, area.high), abs=1e-6)
    assert found["p", "gini"][0] == pytest.approx(metrics.gini(label, pd), abs=2e-6)
    assert found["p", "ks"][0] == pytest.approx(metrics.ks_statistic(label, pd), abs=1e-6)
    error = (pd - label) ** 2
    margin = Z * error.std(ddof=1) / np.sqrt(rows)
    brier = (error.mean(), max(0, error.mean() - margin), error.mean() + margin)
    assert found["p", "brier"][:3] == pytest.approx(brier, abs=1e-6)
    assert {figures[3:] for figures in found.values()} == {(rows, label.sum())}


def test_interval_of_the_ks_is_that_of_two_shares_at_its_cut(project):
    pd, label = drawn(5000)
    value, low, high, *_ = measured(project, {"p": (pd, label)})["p", "ks"]
    cuts = np.unique(pd)
    shares = [np.searchsorted(np.sort(pd[label == one]), cuts, side="right") / (label == one).sum() for one in (1, 0)]
    best = np.argmax(np.abs(shares[0] - shares[1]))
    variance = sum(
        share[best] * (1 - share[best]) / (label == one).sum() for share, one in zip(shares, (1, 0), strict=True)
    )
    assert (value - low, high - value) == pytest.approx((Z * np.sqrt(variance),) * 2, abs=2e-6)
    bootstrap = metrics.bootstrap_interval(metrics.ks_statistic, label, pd)
    assert (low, high) == pytest.approx((bootstrap.low, bootstrap.high), abs=0.02)


@pytest.mark.parametrize("places", [6, 2, 1])
def test_expected_figures_are_those_of_all_pairs(project, places):
    pd = np.round(drawn(200, shift=1)[0], places)
    found = measured(project, {"p": (pd, None)})
    assert found["p", "auc"][0] == pytest.approx(by_pairs(pd), abs=1e-6)
    assert found["p", "gini"][0] == pytest.approx(2 * by_pairs(pd) - 1, abs=2e-6)
    assert found["p", "brier"][0] == pytest.approx(np.mean(pd * (1 - pd)), abs=1e-6)
    cuts = np.unique(pd)
    gaps = [abs(pd[pd <= cut].sum() / pd.sum() - (1 - pd[pd <= cut]).sum() / (1 - pd).sum()) for cut in cuts]
    assert found["p", "ks"][0] == pytest.approx(max(gaps), abs=1e-6)
    assert found["p", "auc"][3:] == pytest.approx((200, pd.sum()), abs=1e-6)


def test_outcomes_drawn_from_the_pds_fall_into_the_expected_interval(project):
    """19 times in 20, as the interval claims, and without bias."""
    pd, _ = drawn(2000, shift=0.5)
    found = measured(project, {"p": (pd, None)})
    generator = np.random.default_rng(11)
    labels = [(generator.random(pd.size) < pd).astype(int) for _ in range(400)]
    for metric, statistic in (("auc", metrics.auc), ("brier", metrics.brier)):
        value, low, high, *_ = found["p", metric]
        values = np.array([statistic(label, pd) for label in labels])
        assert 0.91 <= np.mean((values >= low) & (values <= high)) <= 0.99, metric
        assert values.mean() == pytest.approx(value, abs=4 * values.std() / 20), metric


def test_expected_auc_follows_a_shifted_population_and_not_a_changed_relation(project):
    populations = {
        "as_trained": drawn(100_000),
        "riskier": drawn(100_000, shift=1.5, spread=0.6),
        "safer": drawn(100_000, shift=-1),
        "relation_changed": drawn(100_000, slope=0.3),
    }
    realised = measured(project, populations)
    expected = measured(project, {name: (pd, None) for name, (pd, _) in populations.items()})
    gaps = {name: expected[name, "auc"][0] - realised[name, "auc"][0] for name in populations}
    for name in ("as_trained", "riskier", "safer"):
        assert abs(gaps[name]) < 0.02, gaps
    assert abs(expected["riskier", "auc"][0] - expected["as_trained", "auc"][0]) > 0.05, "no shift to speak of"
    # The known limit: with the same PDs, the expectation is the same.
    assert expected["relation_changed", "auc"] == expected["as_trained", "auc"]
    assert gaps["relation_changed"] > 0.1, gaps


def test_neither_threads_nor_the_order_of_rows_change_a_digit(project):
    pd, label = drawn(20_000)
    order = np.random.default_rng(1).permutation(pd.size)
    first = measured(project, {"p": (pd, label), "q": (pd, None)})
    assert measured(project, {"p": (pd[order], label[order]), "q": (pd[order], None)}, threads=4) == first


@pytest.mark.parametrize(
    "pd, label, metrics_left",
    [
        ([0.1, 0.2], [0, 0], {"brier"}),
        ([0.1, 0.2], [1, 1], {"brier"}),
        ([0.1], [1], {"brier"}),
        ([0.0, 1.0], [0, 1], {"auc", "gini", "ks", "brier"}),
        ([0.0, 0.0], None, {"brier"}),
        ([0.5], None, {"ks", "brier"}),
    ],
)
def test_a_class_that_is_absent_leaves_what_needs_none(project, pd, label, metrics_left):
    found = measured(project, {"p": (np.array(pd), label)})
    assert {metric for _, metric in found} == metrics_left
    assert all(0 <= figures[0] <= 1 for figures in found.values())


def test_ten_million_cases_do_not_overflow(project):
    """Weights are in millionths, and the sums of a large book must fit."""
    sql = """
        with cases as (
            select 1 as population, step * 200 as pd_step, 2000 as case_count, cast(null as bigint) as default_count
            from range(5001) as steps (step)
        )
        select metric, value from ({{ performance('cases', ['population']) }}) as figures
    """
    found = dict(project.query(sql))
    # For uniform PDs, the AUC of 5/6 and the Brier score of 1/6 are integrals.
    assert found["auc"] == pytest.approx(5 / 6, abs=1e-3)
    assert found["brier"] == pytest.approx(1 / 6, abs=1e-3)
