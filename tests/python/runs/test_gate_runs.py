"""Bad candidates through the whole weekly run: each is rejected with a reason, and nothing in production changes."""

import pytest

from tests.python.planted import ANY_PART

from .conftest import ok

AFTER_TRAINING_SETS = [
    "candidates",
    "holdout_scores",
    "gate_measurements",
    "int_gate_verdicts",
    "fct_gate_decisions",
    "int_gate_outcomes",
    "registrations",
    "version_log",
]

# A third of the training cases, so that a fit takes seconds. The holdout stays, and with it the gate's power.
THIN = "delete from training.training_set_account_pd where split != 'holdout' and hash(customer_id) % 3 != 0"

BLINDED = """
    bureau_score = null, bureau_score_12m_min = null, bureau_score_12m_avg = null, bureau_score_24m_max = null,
    bureau_inquiries = null, bureau_utilization = null, bureau_worst_delinquency = null
"""

FAULTS = {
    "labels_shuffled": (
        ("auc_", "candidate_fitted"),
        """
        create or replace table training.training_set_account_pd as
        with labels as (
            select is_default, row_number() over (order by md5('x' || entity_id || as_of_date)) as place
            from training.training_set_account_pd
        ),
        cases as (
            select * exclude (is_default), row_number() over (order by md5('y' || entity_id || as_of_date)) as place
            from training.training_set_account_pd
        )
        select * exclude (place) from cases inner join labels using (place)
        """,
    ),
    "outcome_leaked": (
        ("auc_ceiling",),
        """
        update training.training_set_account_pd
        set dpd_6m_slope = is_default + (hash(entity_id || as_of_date) % 1000) / 900.0
        """,
    ),
    # The training cases lack some inputs, but the holdout does not, so the champion is judged on all of its inputs.
    "slightly_worse": (
        ("auc_no_worse_than_champion", "auc_not_significantly_worse"),
        f"update training.training_set_account_pd set {BLINDED} where split != 'holdout'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_candidate_is_rejected_and_production_stays(demo, settle, fault):
    whole, _ = demo
    home = settle(whole.path, store=whole.path)
    rules, plant = FAULTS[fault]
    versions = home.query("select * from audit.fct_model_versions order by all")
    home.execute(THIN, "delete from training.training_set_application_pd", plant)
    ok(home.dbt("build", "--select", *AFTER_TRAINING_SETS, "--exclude-resource-type", "unit_test", macros=ANY_PART))
    failed = dict(home.query("select rule, reason from training.int_gate_verdicts where verdict = 'fail'"))
    assert any(name.startswith(rules) for name in failed), failed
    assert all(reason.startswith("Failed: ") or "calibration" in reason for reason in failed.values())
    assert home.query("select count(*) from training.registrations") == [(0,)]
    assert home.query("select * from audit.fct_model_versions order by all") == versions
