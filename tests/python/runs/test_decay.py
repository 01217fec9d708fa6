"""Decay on the synthetic lender: expected performance before outcomes are known, realised performance, retraining."""

import duckdb
import numpy as np
import pytest
from nightbook.modelling import metrics

from .conftest import Home, ok, second_version

MODEL = "monitoring/fct_model_performance.sql"
# No model was trained on the holdout. Its PDs and outcomes stand for a night and its results.
HOLDOUT = """
    create temp table holdout as
    select
        scores.candidate_pd as pd, scores.is_default, hash(scores.entity_id) as draw,
        cases.bureau_score, cases.utilization_3m_avg, cases.customer_income,
        lag(scores.is_default, 97, 0) over (order by md5(scores.entity_id || scores.as_of_date)) as somebody_elses
    from warehouse.training.holdout_scores as scores
    inner join warehouse.training.training_set_account_pd as cases using (entity_id, as_of_date)
    where scores.model_name = 'account_pd' and scores.split = 'holdout'
"""
# Only the scored population changes, or the outcomes of the same scores.
POPULATIONS = {
    "as_trained": ("is_default", "true"),
    "riskier": ("is_default", "bureau_score < (select median(bureau_score) from holdout) or draw % 5 = 0"),
    "stretched": ("is_default", "utilization_3m_avg > 0.5"),
    "poorer": ("is_default", "customer_income < (select median(customer_income) from holdout)"),
    "relation_changed": ("if(draw % 2 = 0, somebody_elses, is_default)", "true"),
}


def areas(home, populations: dict[str, tuple[str, str]], inputs: str = "") -> dict[str, tuple[float, ...]]:
    """Population -> expected AUC, realised AUC and its interval, by the SQL that the home's night ran."""
    sql = (home.path / "target" / "compiled" / "nightbook" / "models" / MODEL).read_text()
    steps = '"warehouse"."monitoring"."score_steps"'
    assert steps in sql
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home.path / 'warehouse.duckdb'}' as warehouse (read_only)")
        connection.execute(HOLDOUT.replace("cases.customer_income,", f"cases.customer_income, {inputs}"))
        union = " union all ".join(
            f"select '{basis}' as basis, '{name}' as model_name, 1 as model_version, date '2026-06-30' as cohort_date,"
            f" cast(round(pd * 1000000) as bigint) as pd_step, count(*) as case_count,"
            f" cast({f'sum({label})' if basis == 'realised' else 'null'} as bigint) as default_count"
            f" from holdout where {where} group by all"
            for name, (label, where) in populations.items()
            for basis in ("expected", "realised")
        )
        connection.execute(f"create temp table steps as {union}")
        found = connection.execute(
            f"select model_name, basis, value, low, high from ({sql.replace(steps, 'steps')}) where metric = 'auc'"
        ).fetchall()
    by = {(name, basis): figures for name, basis, *figures in found}
    return {name: (by[name, "expected"][0], *by[name, "realised"]) for name in populations if (name, "realised") in by}


@pytest.fixture(scope="module")
def gaps(demo) -> dict[str, tuple[float, float]]:
    """Population -> expected and realised AUC."""
    return {name: found[:2] for name, found in areas(demo[0], POPULATIONS).items()}


def test_expected_auc_meets_the_realised_one_in_the_halves_that_each_input_makes(demo):
    """Not a few chosen shifts, but both halves of the holdout by every input, with an allowance for chance."""
    home, _ = demo
    names = [
        name
        for (name,) in home.query(
            "select name from reference.feature_catalog where model_name = 'account_pd' and in_model order by name"
        )
    ]
    changed = POPULATIONS["relation_changed"][0]
    halves = {
        f"{name} {half}{also}": (label, f"{name} {half} (select median({name}) from holdout)")
        for name in names
        for half in ("<=", ">")
        for also, label in (("", "is_default"), (" of a changed relation", changed))
        if label != changed or name == "utilization_3m_avg"
    }
    inputs = " ".join(f"cases.{name}," for name in names if f"cases.{name}," not in HOLDOUT)
    found = areas(home, halves, inputs)
    far = {name: row for name, row in found.items() if not row[2] - 0.02 <= row[0] <= row[3] + 0.02}
    planted = {f"utilization_3m_avg {half} of a changed relation" for half in ("<=", ">")}
    assert len(found) > 300 and planted <= set(far)
    assert len(set(far) - planted) <= 0.02 * len(found), far


def test_expected_auc_meets_the_realised_one_where_only_the_population_shifts(gaps):
    for name in ("as_trained", "riskier", "stretched", "poorer"):
        expected, realised = gaps[name]
        assert abs(expected - realised) < 0.02, gaps
        assert name == "as_trained" or abs(expected - gaps["as_trained"][0]) > 0.005, f"{name}: no shift to speak of"


def test_expected_auc_misses_a_relation_that_has_changed(gaps):
    """The limit of the measure, as documented."""
    expected, realised = gaps["relation_changed"]
    assert expected == gaps["as_trained"][0]
    assert expected - realised > 0.1, gaps


COHORT = "2025-05-31"


def figures(home, night: str) -> dict[tuple, tuple]:
    rows = home.query(
        "select model_name, basis, metric, cohort_date, value, low, high, status, case_count, default_count"
        f" from monitoring.fct_model_performance where as_of_date = '{night}' order by all"
    )
    return {(name, basis, metric, str(cohort)): rest for name, basis, metric, cohort, *rest in rows}


def test_a_cohort_is_measured_once_its_outcomes_are_known(copy):
    ok(copy.run("backfill", "--from", COHORT, "--to", COHORT, "--with-champion", "account_pd=1,application_pd=1"))
    assert {key[1] for key in figures(copy, COHORT)} == {"expected"}
    ok(copy.run("score"))
    night = figures(copy, "2026-06-30")
    cases = copy.query(
        f"""
        select scores.pd, coalesce(defaults.defaulted_on <= date '2026-05-31', false)
        from marts.fct_account_scores as scores
        left join intermediate.int_account_defaults as defaults using (account_id)
        where scores.as_of_date = '{COHORT}' and coalesce(defaults.defaulted_on > '{COHORT}', true)
        """
    )
    pd, label = np.round([case[0] for case in cases], 6), np.array([case[1] for case in cases])
    area = metrics.auc_interval(label, pd)
    value, low, high, _, case_count, default_count = night["account_pd", "realised", "auc", COHORT]
    assert (value, low, high) == pytest.approx((area.value, area.low, area.high), abs=1e-6)
    assert (case_count, default_count) == (len(cases), label.sum()) and default_count > 20
    grades = copy.query(
        "select risk_grade = 'all', sum(case_count), sum(default_count), min(p_value) >= 0"
        " from monitoring.fct_calibration where as_of_date = '2026-06-30' and model_name = 'account_pd' group by all"
    )
    assert sorted(grades) == [(False, len(cases), label.sum(), True), (True, len(cases), label.sum(), True)]

    # The need for a training is checked. There is none, because the champion is new.
    waiting = ok(copy.run("train", "--if-needed")).stdout
    assert waiting.startswith("Not trained: account_pd: no rule is met: ") and waiting.count("\n") == 1, waiting
    assert copy.query("select distinct decision from training.fct_training_decisions") == [("wait",)]
    assert copy.query("select count(*) from audit.run_log where cadence = 'weekly'") == [(0,)]


def test_a_challenger_is_scored_beside_the_champion_and_published_nowhere(small, demo, settle):
    """The challenger is the champion itself under another number, so both must come out equal."""
    copy = Home(settle(small.path, store=demo[0].path).path)
    assert copy.query("select count(*) from monitoring.tonight_shadow_scores") == [(0,)]
    before = copy.partition()
    second_version(copy, is_on_record=True)
    ok(copy.run("score"))
    pds = dict(copy.query("select entity_id, pd from monitoring.tonight_shadow_scores"))
    assert pds == {account: pd for account, (pd, _) in before.items()}
    assert copy.partition() == before
    found = copy.query(
        "select metric, value, champion_value, challenger_value from monitoring.fct_challenger_comparison"
    )
    compared = {metric: values for metric, *values in found}
    assert compared["score_psi"][0] == compared["grade_change_share"][0] == compared["expected_auc"][0] == 0
    assert compared["mean_pd"][1] == compared["mean_pd"][2] == pytest.approx(np.mean(list(pds.values())), abs=1e-6)
