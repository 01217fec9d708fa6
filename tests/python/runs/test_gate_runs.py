"""Bad candidates through the whole weekly chain: each is rejected, says why, and changes nothing in production."""

import shutil

import pytest

from .conftest import Home, ok

AFTER_TRAINING_SETS = [
    "candidates",
    "holdout_scores",
    "gate_measurements",
    "int_gate_verdicts",
    "fct_gate_decisions",
    "int_gate_outcomes",
    "registrations",
    "registry_versions",
    "fct_model_versions",
    "registry_promotions",
    "fct_promotions",
]

# A fifth of the customers, so that a fit takes seconds.
THIN = "delete from training.training_set_account_pd where hash(customer_id) % 5 != 0"

FAULTS = {
    "labels_shuffled": (
        "auc_",
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
        "auc_ceiling",
        """
        update training.training_set_account_pd
        set dpd_6m_slope = is_default + (hash(entity_id || as_of_date) % 1000) / 900.0
        """,
    ),
    "slightly_worse": (
        "auc_no_worse_than_champion",
        "update training.training_set_account_pd set "
        + ", ".join(
            f"{name} = null"
            for name in ("dpd_current", "bureau_score", "bureau_score_12m_min", "bureau_score_12m_avg",
                         "bureau_score_24m_max", "utilization_current", "payment_ratio_3m_avg", "days_late_3m_avg")
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_candidate_is_rejected_and_production_stays(demo, tmp_path, fault):
    whole, _ = demo
    shutil.copy(whole.path / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    home = Home(tmp_path, registry=f"sqlite:///{whole.path / 'mlflow.db'}")
    rule, plant = FAULTS[fault]
    versions = home.query("select * from audit.fct_model_versions order by all")
    home.execute(THIN, "delete from training.training_set_application_pd", plant)
    ok(home.dbt("build", "--select", *AFTER_TRAINING_SETS, "--exclude-resource-type", "unit_test"))
    failed = dict(home.query("select rule, reason from training.int_gate_verdicts where verdict = 'fail'"))
    assert any(name.startswith(rule) for name in failed), failed
    assert all(reason.startswith("Not so: ") or "calibration" in reason for reason in failed.values())
    assert home.query("select count(*) from training.registrations") == [(0,)]
    assert home.query("select * from audit.fct_model_versions order by all") == versions
