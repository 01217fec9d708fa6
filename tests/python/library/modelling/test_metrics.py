"""Statistics against scikit-learn, SciPy, brute force, and figures computed by hand."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nightbook.modelling import metrics
from scipy import special

# The same examples every time, however busy the machine is.
steady = settings(derandomize=True, deadline=None, database=None)

# Few distinct scores, so that ties are common.
TIED = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=4, max_size=60)


def arrays(pairs):
    label, score = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs]) / 12
    assume(2 <= label.sum() <= label.size - 2)
    return label, score


def sample(rows=4000, noise=0.5, seed=1):
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=rows)
    label = (generator.random(rows) < special.expit(signal - 1.5)).astype(int)
    return label, special.expit(signal - 1.5), special.expit(signal + noise * generator.normal(size=rows) - 1.5)


def brute_force_delong(label, score, other):
    """AUC difference and its variance from all pairs of default and good, as DeLong et al. define them."""

    def kernel(values):
        default, good = values[label == 1][:, None], values[label == 0][None, :]
        return (default > good) + 0.5 * (default == good)

    gap = kernel(score) - kernel(other)
    variance = gap.mean(1).var(ddof=1) / gap.shape[0] + gap.mean(0).var(ddof=1) / gap.shape[1]
    return gap.mean(), variance


@steady
@given(TIED)
def test_statistics_agree_with_the_oracles(pairs):
    label, score = arrays(pairs)
    assert metrics.auc(label, score) == pytest.approx(sklearn.metrics.roc_auc_score(label, score), abs=1e-12)
    assert metrics.gini(label, score) == pytest.approx(2 * sklearn.metrics.roc_auc_score(label, score) - 1, abs=1e-12)
    false_rate, true_rate, _ = sklearn.metrics.roc_curve(label, score)
    assert metrics.ks_statistic(label, score) == pytest.approx(np.abs(true_rate - false_rate).max(), abs=1e-12)
    assert metrics.brier(label, score) == pytest.approx(sklearn.metrics.brier_score_loss(label, score), abs=1e-12)
    inside = 0.01 + 0.98 * score
    assert metrics.log_loss(label, inside) == pytest.approx(sklearn.metrics.log_loss(label, inside), abs=1e-12)


@steady
@given(TIED, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(pairs, random):
    label, score = arrays(pairs)
    order = list(range(label.size))
    random.shuffle(order)
    for statistic in (metrics.auc, metrics.ks_statistic, metrics.brier, metrics.log_loss):
        assert statistic(label[order], score[order]) == pytest.approx(statistic(label, score), abs=1e-12)
    assert metrics.auc_interval(label[order], score[order]).low == pytest.approx(
        metrics.auc_interval(label, score).low, abs=1e-12
    )


@steady
@given(TIED)
def test_ranking_statistics_see_ranks_only(pairs):
    label, score = arrays(pairs)
    for statistic in (metrics.auc, metrics.ks_statistic):
        assert statistic(label, np.exp(3 * score)) == pytest.approx(statistic(label, score), abs=1e-12)
    assert metrics.auc(label, -score) == pytest.approx(1 - metrics.auc(label, score), abs=1e-12)
    assert metrics.auc(1 - label, score) == pytest.approx(1 - metrics.auc(label, score), abs=1e-12)
    assert metrics.ks_statistic(label, -score) == pytest.approx(metrics.ks_statistic(label, score), abs=1e-12)


@steady
@given(TIED, st.integers(0, 2**32 - 1))
def test_delong_in_midranks_is_delong_over_all_pairs(pairs, seed):
    label, score = arrays(pairs)
    other = np.random.default_rng(seed).integers(0, 6, label.size) / 6
    value, variance = brute_force_delong(label, score, other)
    got = metrics.auc_difference(label, score, other)
    assert got.value == pytest.approx(value, abs=1e-12)
    assert got.high - got.value == pytest.approx(1.959963984540054 * np.sqrt(variance), abs=1e-9)


def test_delong_worked_by_hand():
    # Placements: defaults 1/2 and 1, goods 1 and 1/2; each class adds a variance of (1/8)/2.
    got = metrics.auc_interval(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]), level=0.6826894921370859)
    assert (got.value, got.low) == (0.75, pytest.approx(0.75 - np.sqrt(0.125)))
    assert got.high == 1.0


def test_ties_count_half_and_inversion_is_zero():
    label = np.array([0, 0, 1, 1])
    assert metrics.auc(label, np.full(4, 0.3)) == 0.5
    assert metrics.ks_statistic(label, np.full(4, 0.3)) == 0
    assert metrics.auc(label, np.array([0.9, 0.8, 0.2, 0.1])) == 0
    assert metrics.ks_statistic(label, np.array([0.9, 0.8, 0.2, 0.1])) == 1


def test_identical_rankings_differ_by_exactly_nothing():
    label, score, _ = sample()
    assert metrics.auc_difference(label, score, score) == metrics.Difference(0.0, 0.0, 0.0, 1.0)
    assert metrics.auc_difference(label, score, np.log(score)) == metrics.Difference(0.0, 0.0, 0.0, 1.0)
    for statistic in (metrics.ks_statistic, metrics.brier):
        assert metrics.bootstrap_difference(statistic, label, score, score, replicates=50) == metrics.Difference(
            0.0, 0.0, 0.0, 1.0
        )


def test_difference_is_antisymmetric():
    label, score, other = sample()
    there, back = metrics.auc_difference(label, score, other), metrics.auc_difference(label, other, score)
    assert (there.value, there.low, there.p_value) == pytest.approx((-back.value, -back.high, back.p_value))


def test_paired_intervals_cover_the_true_difference_of_two_equal_scores():
    """For two equally good scores, the 95 % interval excludes zero in about one of twenty samples."""
    missed = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        signal, noise = generator.normal(size=300), generator.normal(size=(2, 300))
        label = (generator.random(300) < special.expit(signal - 1)).astype(int)
        got = metrics.auc_difference(label, signal + noise[0], signal + noise[1])
        missed += not got.low <= 0 <= got.high
    assert 8 <= missed <= 34


def test_bootstrap_agrees_with_resampling_rows():
    label, score, other = sample(rows=1500)
    default, good = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    generator = np.random.default_rng(5)
    for statistic in (metrics.ks_statistic, metrics.brier, metrics.log_loss):
        oracle = []
        for _ in range(400):
            drawn = np.concatenate([generator.choice(default, default.size), generator.choice(good, good.size)])
            oracle.append(statistic(label[drawn], score[drawn]) - statistic(label[drawn], other[drawn]))
        replicates = metrics.bootstrap_replicates(statistic, label, score)
        replicates = replicates - metrics.bootstrap_replicates(statistic, label, other)
        assert replicates.std() == pytest.approx(np.std(oracle), rel=0.2)
        assert replicates.mean() == pytest.approx(np.mean(oracle), abs=5 * np.std(oracle) / np.sqrt(400))


def test_bootstrap_of_brier_agrees_with_the_normal_interval():
    label, score, _ = sample()
    got = metrics.bootstrap_interval(metrics.brier, label, score)
    loss = (score - label) ** 2
    within = [loss[label == side].var() * np.count_nonzero(label == side) for side in (0, 1)]
    width = 1.96 * np.sqrt(sum(within)) / label.size
    assert got.low < got.value < got.high
    assert (got.high - got.low) / 2 == pytest.approx(width, rel=0.2)


def test_bootstrap_is_deterministic_and_sees_a_difference():
    label, score, other = sample(noise=1.0)
    got = metrics.bootstrap_difference(metrics.ks_statistic, label, score, other)
    assert got == metrics.bootstrap_difference(metrics.ks_statistic, label, score, other)
    assert got.low > 0 and got.p_value < 0.05
    worse = metrics.bootstrap_difference(metrics.brier, label, other, score)
    assert worse.low > 0 and worse.p_value < 0.05


def test_bootstrap_interval_of_a_useless_score_holds_its_value():
    label, score, _ = sample()
    shuffled = np.random.default_rng(2).permutation(score)
    got = metrics.bootstrap_interval(metrics.ks_statistic, label, shuffled)
    assert 0 <= got.low <= got.value <= got.high < 0.15


def test_bootstrap_takes_named_statistics_only():
    label, score, _ = sample(rows=50)
    with pytest.raises(ValueError, match="ks_statistic, brier or log_loss"):
        metrics.bootstrap_interval(metrics.auc, label, score)


def test_auc_gap_of_independent_samples():
    label, score, _ = sample(seed=1)
    other_label, _, other_score = sample(rows=2500, noise=2.0, seed=2)
    got = metrics.auc_gap(label, score, other_label, other_score)
    widths = [metrics.auc_interval(*pair) for pair in ((label, score), (other_label, other_score))]
    expected = np.hypot(*(width.high - width.value for width in widths))
    assert got.value == pytest.approx(widths[0].value - widths[1].value)
    assert got.high - got.value == pytest.approx(expected)
    assert got.low > 0 and got.p_value < 0.001


def test_psi_known_values():
    assert metrics.psi([0.2, 0.8], [0.2, 0.8]) == 0
    # (0.3 - 0.5) ln(0.3/0.5) + (0.7 - 0.5) ln(0.7/0.5)
    assert metrics.psi([0.5, 0.5], [0.3, 0.7]) == pytest.approx(0.16945957)
    assert metrics.psi([0.3, 0.7], [0.5, 0.5]) == pytest.approx(0.16945957)
    # An emptied bin counts as 0.0001: (0.0001 - 0.1) ln(0.0001/0.1) + (1 - 0.9) ln(1/0.9)
    assert metrics.psi([0.1, 0.9], [0.0, 1.0]) == pytest.approx(0.69008477 + 0.01053605)
    assert metrics.psi([0.0, 1.0], [0.0, 1.0]) == 0


@pytest.mark.parametrize(
    "reference, actual", [([0.5, 0.5], [1.0]), ([0.5, 0.4], [0.5, 0.5]), ([1.5, -0.5], [0.5, 0.5]), ([], [])]
)
def test_psi_refuses_what_is_no_distribution(reference, actual):
    with pytest.raises(ValueError, match="shares"):
        metrics.psi(reference, actual)


@steady
@given(st.lists(st.integers(-5, 40), min_size=1, max_size=200), st.integers(2, 12))
def test_bins_hold_every_row_once_and_edges_are_observed(values, bins):
    values = np.array(values, dtype=float)
    edges = metrics.quantile_edges(values, bins)
    assert np.all(np.diff(edges) > 0) and set(edges) <= set(values) and edges.size < bins
    bounds = [-np.inf, *edges, np.inf]
    expected = [np.sum((values > low) & (values <= high)) for low, high in zip(bounds[:-1], bounds[1:], strict=True)]
    assert metrics.bin_counts(values, edges).tolist() == expected


def test_deciles_of_a_hundred_values_are_even():
    values = np.random.default_rng(1).permutation(np.arange(1, 101))
    assert metrics.quantile_edges(values).tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert metrics.quantile_edges(np.array([])).tolist() == []


def test_calibration_slope_recovers_a_planted_line():
    label, pd, _ = sample(rows=200_000)
    slope, intercept = metrics.calibration_slope_intercept(label, pd)
    assert (slope, intercept) == pytest.approx((1, 0), abs=0.03)
    overconfident = special.expit(2 * special.logit(pd) + 0.5)
    line = metrics.calibration_slope_intercept(label, overconfident)
    assert line == pytest.approx((slope / 2, intercept - 0.25 * slope), abs=1e-6)
    # At the maximum, the score equations hold: residuals sum to zero, plain and weighted by the predictor.
    residual = label - special.expit(slope * special.logit(pd) + intercept)
    assert abs(residual.mean()) < 1e-8 and abs((residual * special.logit(pd)).mean()) < 1e-8


@pytest.mark.parametrize("pd", [np.full(4, 0.2), np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.2, 0.2, 0.4])])
def test_calibration_slope_without_a_finite_fit_is_an_error(pd):
    with pytest.raises(ValueError, match="no logistic fit"):
        metrics.calibration_slope_intercept(np.array([0, 0, 1, 1]), pd)


def test_calibration_in_the_large():
    label, pd, _ = sample(rows=50_000)
    fair = metrics.calibration_in_the_large(label, pd)
    assert fair.value == pytest.approx(pd.mean() - label.mean()) and fair.low < 0 < fair.high and fair.p_value > 0.05
    prudent = metrics.calibration_in_the_large(label, np.minimum(pd * 1.2, 1))
    assert prudent.low > 0 and prudent.p_value < 0.001


@pytest.mark.parametrize(
    "statistic", [metrics.auc, metrics.ks_statistic, metrics.brier, metrics.log_loss, metrics.auc_interval]
)
@pytest.mark.parametrize(
    "label, score, message",
    [
        ([1, 1], [0.1, 0.2], "absent"),
        ([0, 0], [0.1, 0.2], "absent"),
        ([0, 1], [0.1, 0.2, 0.3], "shape"),
        ([[0, 1]], [[0.1, 0.2]], "shape"),
        ([0, 1], [0.1, np.nan], "finite"),
        ([0, 1], [0.1, np.inf], "finite"),
        ([0, 2], [0.1, 0.2], "neither"),
        ([], [], "absent"),
    ],
)
def test_bad_input_is_a_value_error(statistic, label, score, message):
    with pytest.raises(ValueError, match=message):
        statistic(np.array(label), np.array(score))


def test_further_bad_input():
    with pytest.raises(ValueError, match="outside"):
        metrics.brier(np.array([0, 1]), np.array([0.1, 1.2]))
    with pytest.raises(ValueError, match="two rows of each class"):
        metrics.auc_interval(np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="level"):
        metrics.auc_interval(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.1]), level=95)


@settings(steady, max_examples=20)
@given(st.integers(0, 1000))
def test_integer_and_boolean_labels_are_the_same(seed):
    label, score, _ = sample(rows=60, seed=seed)
    assume(2 <= label.sum() <= 58)
    assert metrics.auc_interval(label == 1, score) == metrics.auc_interval(label.astype(np.int8), score)


def posterior_by_sums(defaults, cases, pd):
    """Share of the Jeffreys posterior below a pd, summed over a fine grid."""
    edges = np.linspace(0, 1, 2_000_001)
    rate = (edges[1:] + edges[:-1]) / 2
    log_density = (defaults - 0.5) * np.log(rate) + (cases - defaults - 0.5) * np.log1p(-rate)
    density = np.exp(log_density - log_density.max())
    return density[rate <= pd].sum() / density.sum()


@pytest.mark.parametrize("defaults, cases, pd", [(3, 200, 0.01), (30, 200, 0.1), (1, 5000, 0.0004), (50, 100, 0.6)])
def test_jeffreys_test_and_interval_are_those_of_the_posterior(defaults, cases, pd):
    counts = np.array([defaults]), np.array([cases])
    assert metrics.jeffreys_p_value(*counts, np.array([pd]))[0] == pytest.approx(
        posterior_by_sums(defaults, cases, pd), abs=1e-4
    )
    for end, below in zip(metrics.jeffreys_interval(*counts), (0.025, 0.975), strict=True):
        assert posterior_by_sums(defaults, cases, end[0]) == pytest.approx(below, abs=3e-4)


def test_jeffreys_test_rejects_a_right_pd_as_often_as_its_level_says():
    generator = np.random.default_rng(3)
    for pd, cases in ((0.02, 3000), (0.2, 500)):
        defaults = generator.binomial(cases, pd, 20_000)
        p_values = metrics.jeffreys_p_value(defaults, np.full(20_000, cases), np.full(20_000, pd))
        for level in (0.05, 0.001):
            assert np.mean(p_values < level) == pytest.approx(level, abs=level * 0.3 + 0.0005)
    too_low = metrics.jeffreys_p_value(np.array([90]), np.array([3000]), np.array([0.02]))
    assert too_low[0] < 0.001 < 0.99 < metrics.jeffreys_p_value(np.array([30]), np.array([3000]), np.array([0.02]))[0]


def test_jeffreys_interval_reaches_the_ends_where_nobody_or_everybody_defaulted():
    low, high = metrics.jeffreys_interval(np.array([0, 5]), np.array([5, 5]))
    assert (low[0], high[1]) == (0, 1) and 0 < high[0] < low[1] < 1
    empty = np.array([], dtype=int)
    assert metrics.jeffreys_p_value(empty, empty, empty).shape == (0,)


@pytest.mark.parametrize("defaults, cases, pd", [(2, 1, 0.1), (-1, 1, 0.1), (0, 0, 0.1), (0, 1, 1.1), (0, 1, np.nan)])
def test_jeffreys_refuses_what_cannot_be(defaults, cases, pd):
    with pytest.raises(ValueError):
        metrics.jeffreys_p_value(np.array([defaults]), np.array([cases]), np.array([pd]))
