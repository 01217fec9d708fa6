"""The UCI Taiwan data, from the file to scores, with the accuracy that the literature reports."""

from .conftest import ok


def test_published_accuracy(uci_file, settle):
    home = settle()
    ok(home.run("land", "uci-taiwan", "--file", str(uci_file)))
    ok(home.run("train", NIGHTBOOK_ACTOR="modeller"))
    ok(home.run("approve", "account_pd", "--version", "1", "--approver", "validator", "--change-request", "CR-1"))
    ok(home.run("score"))
    figures = dict(home.query("select metric, value from training.gate_measurements"))
    # 0.80 or more would be a leak until proven otherwise.
    assert 0.77 <= figures["auc"] < 0.80
    assert 0.41 <= figures["ks"] <= 0.46
    assert figures["brier"] <= 0.138
    scored, mean_pd, as_of = home.query(
        "select count(*), avg(pd), max(as_of_date)::varchar from marts.fct_account_scores"
    )[0]
    assert scored == 30_000 and as_of == "2005-09-30"
    assert abs(mean_pd - figures["default_rate"]) < 0.01
