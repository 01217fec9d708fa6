"""What the demo prints and leaves behind."""

import json
import re

import numpy as np
from nightbook.modelling import metrics

from .conftest import ok


def test_it_says_what_happened_and_what_to_type_next(demo):
    home, said = demo
    scored = home.query("select count(*) from marts.fct_account_scores")[0][0]
    triaged = home.query("select count(*) from marts.underwriting_queue")[0][0]
    provision = home.query("select sum(expected_loss) from marts.fct_provisions")[0][0]
    assert scored > 10_000 and triaged == 200
    assert f"Accounts scored: {scored:,}" in said
    assert f"Applications triaged: {triaged:,}" in said
    assert f"Provisions: {provision:,}" in said
    for model in ("account_pd", "application_pd"):
        assert re.search(rf"Champion {model} version 1: AUC 0\.\d+, KS 0\.\d+", said)
    assert "made by demo-modeller, approved by demo-approver" in said
    assert "dbt build --select tag:nightly" in said


def test_status_speaks_to_machines(demo):
    home, _ = demo
    state = json.loads(ok(home.run("status", "--json")).stdout)
    assert {row["model_name"] for row in state["champions"]} == {"account_pd", "application_pd"}
    assert state["open_approvals"] == []
    assert {row["cadence"]: row["outcome"] for row in state["last_runs"]} == {
        "nightly": "succeeded",
        "weekly": "succeeded",
    }
    for row in state["last_gate"]:
        assert row["auc_low"] < row["auc"] < row["auc_high"] and row["ks"] > 0 and row["brier"] > 0
        assert row["auc"] > row["benchmark_auc"]
    assert {row["model_name"] for row in state["last_night"]["worst_psi"]} == {"account_pd", "application_pd"}


def test_there_are_140_account_features_and_40_application_features(demo):
    home, _ = demo
    for relation, least in (("feat_accounts", 140), ("feat_applications", 40)):
        columns = home.query(f"select count(*) from information_schema.columns where table_name = '{relation}'")
        assert columns[0][0] - 2 >= least


def test_reasons_are_sentences_of_the_catalog_and_contributions_add_up(demo):
    home, _ = demo
    worst = home.query(
        """
        select max(abs(s.margin - c.total)), count(*)
        from marts.fct_application_scores as s
        inner join (
            select application_id, sum(contribution) as total from marts.fct_application_contributions group by all
        ) as c using (application_id)
        """
    )
    assert worst[0][0] < 1e-4 and worst[0][1] == 200
    unknown = home.query(
        """
        select count(*) from (
            select unnest([reason_1, reason_2, reason_3, reason_4]) as reason from marts.fct_application_scores
        )
        where reason is not null and reason not in (select reason_text from reference.feature_catalog)
        """
    )
    assert unknown == [(0,)]
    assert home.query("select count(*) from marts.fct_application_scores where reason_1 is null") == [(0,)]


def test_nobody_is_on_two_sides_although_many_have_several_accounts(demo):
    home, _ = demo
    for model in ("account_pd", "application_pd"):
        several, split = home.query(
            f"""
            select count(*) filter (cases > 1), count(*) filter (sides > 1) from (
                select customer_id, count(distinct entity_id) as cases, count(distinct split) as sides
                from training.training_set_{model} group by customer_id
            )
            """
        )[0]
        assert several > 100 and split == 0


def test_the_holdout_is_later_than_the_rest(demo):
    home, _ = demo
    for model in ("account_pd", "application_pd"):
        earliest, latest = home.query(
            f"""
            select min(as_of_date) filter (split = 'holdout'), max(as_of_date) filter (split != 'holdout')
            from training.training_set_{model}
            """
        )[0]
        assert earliest > latest


def test_shares_of_the_night_are_those_that_numpy_counts(demo):
    home, _ = demo
    features: dict[str, list[tuple]] = {}
    for feature, *row in home.query(
        "select feature, up_to, actual_share from monitoring.tonight_shares where model_name = 'account_pd'"
        " order by feature, bin"
    ):
        features.setdefault(feature, []).append(row)
    assert len(features) > 100
    for feature, bins in features.items():
        observed = home.query(f"select cast({feature} as double) from marts.rpt_regulatory_features")
        values = np.array(observed, dtype=float).ravel()
        known = values[~np.isnan(values)]
        edges = np.array([up_to for up_to, _ in bins if up_to is not None])
        counts = [values.size - known.size, *metrics.bin_counts(known, edges)]
        assert [share for _, share in bins] == [count / values.size for count in counts], feature


def test_any_mlflow_client_reads_the_scores_of_record(demo):
    """In another process, without Nightbook on its path."""
    import subprocess
    import sys

    home, _ = demo
    script = """
import duckdb, mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/account_pd@champion")
names = mlflow.xgboost.load_model("models:/account_pd@champion").feature_names
with duckdb.connect(sys.argv[2], read_only=True) as connection:
    rows = connection.sql("select s.pd, r.* from marts.fct_account_scores s join marts.rpt_regulatory_features r"
                          " using (account_id, as_of_date) order by account_id limit 2000").df()
assert (model.predict(rows[names].astype("float32")).astype("float64") == rows["pd"]).all()
"""
    command = [
        sys.executable,
        "-c",
        script,
        f"sqlite:///{home.path / 'mlflow.db'}",
        str(home.path / "warehouse.duckdb"),
    ]
    ok(subprocess.run(command, env=home.environment(), cwd=home.path, capture_output=True, text=True, timeout=120))
