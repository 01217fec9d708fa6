"""Intervals of rates, ratios and differences against scipy, against their equation, and by how often they cover."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import optimize, stats

RATE = """
    select {{ wilson('events', 'cases', 'low') }}, {{ wilson('events', 'cases', 'high') }} from counted order by row
"""
COMPARED = """
    select
        {{ difference_end('own_', 'other_', 'low') }}, {{ difference_end('own_', 'other_', 'high') }},
        {{ ratio_end('own_', 'other_', 'low') }}, {{ ratio_end('own_', 'other_', 'high') }}
    from compared order by row
"""


def rates(project, events, cases) -> np.ndarray:
    """Low and high by the macro; shape (n, 2)."""
    counted = pa.table({"row": range(len(events)), "events": events, "cases": cases})
    return np.array(project.query(RATE, tables={"counted": counted}), dtype=float)


def compared(project, own, other) -> np.ndarray:
    """Ends of difference and ratio by the macros, NaN for null. own, other: (events, cases). Shape (n, 4)."""
    columns = {"row": range(len(own[0]))}
    for name, (events, cases) in (("own", own), ("other", other)):
        low, high = rates(project, events, cases).T
        columns |= {f"{name}_value": np.divide(events, cases), f"{name}_low": low, f"{name}_high": high}
    return np.array(project.query(COMPARED, tables={"compared": pa.table(columns)}), dtype=float)


def by_equation(own: tuple[int, int], other: tuple[int, int], end: str) -> float:
    """The ratio at which the MOVER interval of own - ratio x other ends at 0 (Donner and Zou), found by bisection."""
    rate, base = own[0] / own[1], other[0] / other[1]
    low, high = stats.binomtest(*own).proportion_ci(method="wilson")
    base_low, base_high = stats.binomtest(*other).proportion_ci(method="wilson")

    def gap(ratio: float) -> float:
        if end == "low":
            return rate - ratio * base - np.hypot(rate - low, ratio * (base_high - base))
        return rate - ratio * base + np.hypot(high - rate, ratio * (base - base_low))

    return optimize.brentq(gap, 0, 1e4, xtol=1e-13)


def test_rate_is_wilsons(project):
    pairs = [(0, 1), (1, 1), (0, 30), (30, 30), (1, 30), (17, 40), (3, 4_100_000), (4_099_999, 4_100_000)]
    found = rates(project, *zip(*pairs, strict=True))
    expected = [stats.binomtest(*pair).proportion_ci(method="wilson") for pair in pairs]
    assert found == pytest.approx(np.array(expected), abs=1e-9)
    assert found.min() == 0 and found.max() == 1


def test_rate_of_nobody_is_empty(project):
    assert np.isnan(rates(project, [0], [0])).all()


def test_comparisons_are_those_of_the_equation(project):
    """For rates that are equal, rare, or near one; for small groups and large ones."""
    own = ((5, 17, 990, 1, 40, 2), (30, 40, 1000, 300, 40, 9))
    other = ((20, 30, 700, 3, 39, 8), (30, 40, 1000, 90_000, 40, 9))
    found = compared(project, own, other)
    for row, a, b in zip(found, zip(*own, strict=True), zip(*other, strict=True), strict=True):
        ends = [by_equation(a, b, end) for end in ("low", "high")]
        assert row[2:] == pytest.approx(ends, rel=1e-7), (a, b)
        first, second = (stats.binomtest(*one).proportion_ci(method="wilson") for one in (a, b))
        gap = a[0] / a[1] - b[0] / b[1]
        low = gap - np.hypot(a[0] / a[1] - first.low, second.high - b[0] / b[1])
        high = gap + np.hypot(first.high - a[0] / a[1], b[0] / b[1] - second.low)
        assert row[:2] == pytest.approx((low, high), abs=1e-9)


def test_difference_is_newcombes(project):
    """His example: 56 of 70 against 48 of 80 (Statistics in Medicine 17:873-890, table II, method 10)."""
    assert compared(project, ([56], [70]), ([48], [80]))[0, :2] == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_ratio_agrees_with_the_log_interval_on_large_groups(project):
    found = compared(project, ([8000], [20_000]), ([9000], [20_000]))[0, 2:]
    katz = stats.contingency.relative_risk(8000, 20_000, 9000, 20_000).confidence_interval(0.95)
    assert found == pytest.approx((katz.low, katz.high), abs=2e-4)


def test_nobody_approved_is_a_ratio_with_an_upper_end_and_nobody_to_compare_with_none(project):
    low, high = compared(project, ([0], [200]), ([150], [200]))[0, 2:]
    assert low == 0 and 0 < high < 0.05
    assert np.isnan(compared(project, ([10], [200]), ([0], [200]))[0, 2:]).all()


def test_intervals_cover_what_they_claim(project):
    """19 times in 20, for groups of 60 and 400 with approval rates of 0.7 and 0.85."""
    generator = np.random.default_rng(3)
    own, other = generator.binomial(60, 0.7, 4000), generator.binomial(400, 0.85, 4000)
    found = compared(project, (own, np.full(4000, 60)), (other, np.full(4000, 400)))
    for low, high, truth in ((found[:, 0], found[:, 1], -0.15), (found[:, 2], found[:, 3], 0.7 / 0.85)):
        assert 0.935 <= np.mean((low <= truth) & (truth <= high)) <= 0.965
