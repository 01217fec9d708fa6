"""The search for fairer alternatives against resampled cases and a planted proxy; paths from protected attributes."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from nightbook.modelling import fairness, metrics
from scipy import special

CATALOG = [
    {"model_name": "account_pd", "name": "apr", "in_model": True},
    {"model_name": "account_pd", "name": "tenure", "in_model": True},
    {"model_name": "account_pd", "name": "age", "in_model": False},
    {"model_name": "application_pd", "name": "state", "in_model": True},
]
ATTRIBUTES = [
    {"attribute": "age_band", "landed_table": "customers", "landed_column": "birth_date"},
    {"attribute": "state", "landed_table": "customers", "landed_column": "state"},
]


def counts_of(group: np.ndarray, own: np.ndarray, selected: np.ndarray, min_cases: int = 1) -> list[dict]:
    """Rows of alternative_counts for one attribute."""
    return [
        {
            "model_name": "m",
            "role": "runner_up",
            "attribute": "state",
            "group_name": str(name),
            "is_large_enough": bool((group == name).sum() >= min_cases),
            "case_count": int((group == name).sum()),
            "approved_count": int(own[group == name].sum()),
            "selected_count": int(selected[group == name].sum()),
            "both_count": int((own & selected)[group == name].sum()),
        }
        for name in sorted(set(group))
    ]


def lowest(group: np.ndarray, approved: np.ndarray) -> float:
    rates = [approved[group == name].mean() for name in "abc"]
    return min(rates) / max(rates)


def drawn(rows: int = 900, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups a, b and c, and two ways to approve that mostly agree. The second is harder on b."""
    generator = np.random.default_rng(seed)
    group = np.array(["a", "b", "c"])[generator.integers(0, 3, rows)]
    own = generator.random(rows) < 0.8
    return group, own, np.where(generator.random(rows) < 0.85, own, own & (group != "b"))


def test_worst_ratio_by_hand():
    """The alternative approves nine, six and eight of ten; the selected candidate nine, four and eight."""
    group = np.repeat(["a", "b", "c"], 10)
    own = np.array([True] * 9 + [False] + [True] * 6 + [False] * 4 + [True] * 8 + [False] * 2)
    selected = np.array([True] * 9 + [False] + [True] * 4 + [False] * 6 + [True] * 8 + [False] * 2)
    name, (value, difference) = fairness.worst_ratio(counts_of(group, own, selected))
    assert (name, value) == ("b", pytest.approx(6 / 9))
    assert difference.value == pytest.approx(6 / 9 - 4 / 9) and difference.low < 0.23 < difference.high


def test_worst_ratio_of_the_same_decisions_does_not_differ():
    group, own, _ = drawn()
    _, (_, difference) = fairness.worst_ratio(counts_of(group, own, own))
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_interval_is_that_of_resampled_cases():
    """Drawing cells within groups equals drawing cases within groups, but a thousand times faster."""
    group, own, selected = drawn()
    _, (_, difference) = fairness.worst_ratio(counts_of(group, own, selected))
    generator = np.random.default_rng(7)
    members = [np.flatnonzero(group == name) for name in "abc"]
    values = []
    for _ in range(2000):
        rows = np.concatenate([generator.choice(one, one.size) for one in members])
        values.append(lowest(group[rows], own[rows]) - lowest(group[rows], selected[rows]))
    expected = metrics.difference_of(lowest(group, own) - lowest(group, selected), np.array(values))
    assert (difference.value, difference.low, difference.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=0.006
    )


def test_setting_the_worst_group_back_further_is_never_fairer():
    """The other group gains. The first, which would often be the reference group, stays the worst off."""
    group = np.repeat(["a", "b"], 100)
    selected = np.concatenate([np.arange(100) < 60, np.arange(100) < 63])
    own = np.concatenate([np.arange(100) < 60, np.arange(100) < 75])
    name, (value, difference) = fairness.worst_ratio(counts_of(group, own, selected))
    assert (name, value) == ("a", pytest.approx(60 / 75)) and difference.value < -0.1


@pytest.mark.parametrize("spoil", ["nobody approved", "no other", "small others"])
def test_what_cannot_be_compared_is_not(spoil):
    group, own, selected = drawn()
    if spoil == "no other":
        group[:] = "a"
    if spoil == "nobody approved":
        own[:] = False
    counts = counts_of(group, own, selected)
    for row in counts:
        row["is_large_enough"] = spoil != "small others" or row["group_name"] == "a"
    assert fairness.worst_ratio(counts) == (None, None)


@pytest.fixture(scope="module")
def searched():
    """A selected score that uses a proxy of the group, and an alternative without it that ranks as well."""
    generator = np.random.default_rng(2)
    rows = 6000
    group = np.array(["a", "b"])[generator.integers(0, 2, rows)]
    signal = generator.normal(size=rows)
    label = (generator.random(rows) < special.expit(1.5 * signal - 2)).astype(int)
    proxy = (group == "b") + generator.normal(0, 0.1, rows)
    pd = {
        "selected": special.expit(1.5 * signal + 0.35 * proxy - 2.2),
        "runner_up": special.expit(1.5 * signal + 0.02 * generator.normal(size=rows) - 2),
        "benchmark": special.expit(0.4 * signal + generator.normal(size=rows) - 2),
    }
    approved = {role: score <= np.sort(score)[4500] for role, score in pd.items()}
    scores = pa.concat_tables(
        pa.table({"model_name": ["m"] * rows, "role": [role] * rows, "is_default": label, "pd": score})
        for role, score in pd.items()
    )
    counts = [
        row | {"role": role}
        for role in pd
        for row in counts_of(group, approved[role], approved["selected"], min_cases=30)
    ]
    return label, pd, scores, counts


def test_search_finds_the_alternative_without_the_proxy(searched):
    _, _, scores, counts = searched
    found = {(row["role"], row["metric"]): row for row in fairness.alternatives(scores, counts)}
    assert len(found) == 12
    assert found["runner_up", "auc"]["difference_low"] > -0.01
    assert found["runner_up", "worst_ratio"]["difference_low"] > 0.01
    assert found["runner_up", "worst_ratio"]["group_name"] == "b"
    assert found["benchmark", "auc"]["difference_high"] < -0.05
    for metric in ("auc", "ks", "brier", "worst_ratio"):
        row = found["selected", metric]
        assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)


def test_performance_is_that_of_the_library(searched):
    label, pd, scores, counts = searched
    found = {(row["role"], row["metric"]): row for row in fairness.alternatives(scores, counts)}
    area = metrics.auc_difference(label, pd["benchmark"], pd["selected"])
    row = found["benchmark", "auc"]
    assert (row["difference"], row["difference_low"], row["difference_high"]) == pytest.approx(
        (area.value, area.low, area.high), abs=1e-9
    )
    for metric, statistic in (("ks", metrics.ks_statistic), ("brier", metrics.brier)):
        paired = metrics.bootstrap_difference(statistic, label, pd["benchmark"], pd["selected"])
        row = found["benchmark", metric]
        assert (row["value"], row["difference"], row["difference_low"], row["difference_high"]) == pytest.approx(
            (statistic(label, pd["benchmark"]), paired.value, paired.low, paired.high), abs=1e-9
        )


def test_nothing_to_search_gives_no_row():
    empty = pa.table({"model_name": pa.array([], pa.string()), "role": pa.array([], pa.string())})
    assert fairness.alternatives(empty, []) == []


def edges(*chains: str) -> list[dict]:
    """Rows of input_lineage from chains of relation.column, each made from the one before it."""
    pairs = [pair for chain in chains for pair in itertools.pairwise(chain.split(" > "))]
    return [
        dict(zip(("from_relation", "from_column"), one.rsplit(".", 1), strict=True))
        | dict(zip(("to_relation", "to_column"), other.rsplit(".", 1), strict=True))
        for one, other in pairs
    ]


def test_no_path_from_a_protected_attribute_is_no_row():
    found = edges("raw.customers.birth_date > staging.c.birth_date", "raw.accounts.apr > features.feat_accounts.apr")
    assert fairness.protected_inputs(found, CATALOG[:3], ATTRIBUTES) == []


def test_every_way_of_being_protected_is_found_with_its_path():
    """By a path, by the shorter of two, and by name alone. A feature that is not in the model is allowed."""
    long = "raw.customers.birth_date > a.b.c > d.e.f > features.feat_accounts.apr"
    found = edges(long, "a.b.c > features.feat_accounts.apr", "raw.customers.birth_date > features.feat_accounts.age")
    rows = fairness.protected_inputs(found, CATALOG, ATTRIBUTES)
    assert rows == [
        {
            "model_name": "account_pd",
            "feature": "apr",
            "attribute": "age_band",
            "path": "raw.customers.birth_date > a.b.c > features.feat_accounts.apr",
        },
        {
            "model_name": "application_pd",
            "feature": "state",
            "attribute": "state",
            "path": "features.feat_applications.state",
        },
    ]


def test_a_walk_in_a_circle_ends():
    found = edges("raw.customers.state > kept.k.x > kept.k.x > features.feat_accounts.tenure")
    assert [row["feature"] for row in fairness.protected_inputs(found, CATALOG[:3], ATTRIBUTES)] == ["tenure"]
