"""The metrics file: a Prometheus parser reads exactly what was written, and never half of it."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nightbook.engine import warehouse
from prometheus_client.parser import text_string_to_metric_families
from runner.alerts import metrics_file
from stand_ins import now

NAMES = sorted(metrics_file._HELP)
LABELS = st.dictionaries(st.sampled_from(["model", "cadence", "relation"]), st.text(max_size=20), max_size=3)
FIGURES = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), LABELS.map(lambda labels: tuple(sorted(labels.items())))),
    st.floats(allow_nan=False) | st.integers(-(10**9), 10**12).map(float),
    max_size=12,
)


def parsed(file) -> metrics_file.Figures:
    """Read a file with the Prometheus project's own parser."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(file.read_bytes().decode())
        for sample in family.samples
    }


@given(FIGURES)
@settings(max_examples=150)
def test_a_parser_reads_what_was_written(figures):
    """Whatever a label contains: quotes, backslashes, line ends."""
    metrics_file.write(metrics_file.path(), figures)
    assert parsed(metrics_file.path()) == metrics_file.read(metrics_file.path()) == figures


def plainly(file, figures) -> None:
    """The planted fault: the same bytes, written over the old ones."""
    metrics_file.write(file.with_suffix(".whole"), figures)
    text = file.with_suffix(".whole").read_bytes()
    with file.open("wb", buffering=0) as opened:
        for start in range(0, len(text), 4096):
            opened.write(text[start : start + 4096])


def torn(write, file) -> int:
    """How often a reader of a file that is being replaced sees something other than one whole state."""
    states = [
        {("nightbook_relation_rows", (("relation", f"table {number}"),)): float(state) for number in range(size)}
        for state, size in enumerate((3000, 10, 1500))
    ]
    write(file, states[0])
    over, seen = threading.Event(), []

    def read():
        while not over.is_set():
            seen.append(file.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        write(file, states[turn % 3])
    over.set()
    reader.join()
    whole = set()
    for state in states:
        write(file, state)
        whole.add(file.read_bytes())
    assert len(seen) > 50
    return sum(text not in whole for text in seen)


def test_nobody_sees_half_a_file(tmp_path):
    assert torn(metrics_file.write, tmp_path / "nightbook.prom") == 0
    assert [file.name for file in tmp_path.iterdir()] == ["nightbook.prom"]
    assert torn(plainly, tmp_path / "plain.prom") > 0


def test_a_file_that_cannot_be_written_leaves_the_one_before(home, monkeypatch):
    before = {("nightbook_run_success", (("cadence", "nightly"),)): 1.0}
    metrics_file.write(metrics_file.path(), before)
    with pytest.raises(ValueError):
        metrics_file.write(metrics_file.path(), before | {("nightbook_auc", ()): "no number"})
    monkeypatch.setattr("os.rename", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        metrics_file.write(metrics_file.path(), {})
    assert metrics_file.read(metrics_file.path()) == before
    assert [file.name for file in metrics_file.path().parent.iterdir()] == ["nightbook.prom"]


@pytest.mark.parametrize(("given_path", "expected"), [("", "metrics/nightbook.prom"), ("x/n.prom", "x/n.prom")])
def test_where_the_file_is(home, monkeypatch, given_path, expected):
    monkeypatch.setenv("NIGHTBOOK_METRICS_FILE", given_path)
    assert metrics_file.path() == home / expected
    monkeypatch.setenv("NIGHTBOOK_METRICS_FILE", "/srv/n.prom")
    assert str(metrics_file.path()) == "/srv/n.prom"


def test_figures_of_a_warehouse(made):
    made.run("R1", ago=26)
    made.run("R2", ago=2, outcome="failed")
    made.run("B1", ago=1, pinned_versions='{"account_pd":1}', rows_by_relation='{"scoring.tonight_account_scores":7}')
    made.run("W1", cadence="weekly", ago=50, rows_by_relation='{"marts.fct_account_scores":1000}')
    made.psi("R1", "2026-01-30", utilization=0.3, dpd=0.1)
    made.execute(
        "create table monitoring.fct_score_drift as select 'account_pd' as model_name, date '2026-01-30' as as_of_date,"
        " 0.04 as psi, 'ok' as status, 'R1' as run_id",
        "insert into audit.fct_model_versions values ('account_pd', 1, 'W0', true), ('account_pd', 2, 'W1', false)",
        "insert into training.gate_measurements values ('account_pd', 'auc', 0.81), ('account_pd', 'ks', 0.4)",
        "insert into training.fct_gate_decisions values"
        " ('account_pd', 'W1', 'a', 'pass', 'fine', '2026-01-29'),"
        " ('application_pd', 'W1', 'a', 'fail', 'no', '2026-01-29')",
        "create table monitoring.fct_model_performance as select * from (values"
        " ('account_pd', 'realised', 'auc', date '2025-01-31', date '2026-01-30', 0.8, 1),"
        " ('account_pd', 'realised', 'auc', date '2024-12-31', date '2026-01-30', 0.7, 1),"
        " ('account_pd', 'realised', 'ks', date '2025-01-31', date '2026-01-30', 0.5, 1),"
        " ('account_pd', 'expected', 'auc', date '2026-01-30', date '2026-01-30', 0.79, 1)"
        ") as t (model_name, basis, metric, cohort_date, as_of_date, value, model_version)",
    )  # fmt: skip
    made.deadline("met", now() - timedelta(days=1), 12.5)
    with warehouse.asking() as query:
        figures, problems = metrics_file.measured(query)
    assert not problems

    def figure(name: str, **labels: str) -> float:
        return figures["nightbook_" + name, tuple(sorted(labels.items()))]

    assert figure("run_success", cadence="nightly") == 0 and figure("run_success", cadence="weekly") == 1
    assert figure("run_duration_seconds", cadence="nightly") == 1800
    ended, succeeded = (figure(f"{of}_timestamp_seconds", cadence="nightly") for of in ("run_end", "last_success"))
    assert round(ended - succeeded) == 24 * 3600
    assert figure("scored_rows", model="account_pd") == 900 and figure("scored_rows", model="application_pd") == 20
    assert figure("relation_rows", cadence="weekly", relation="marts.fct_account_scores") == 1000
    assert figure("psi_worst", model="account_pd") == 0.3 and figure("psi_score", model="account_pd") == 0.04
    assert figure("drift_alerts", model="account_pd") == 1
    assert figure("gate_auc", model="account_pd") == 0.81
    assert figure("gate_passed", model="account_pd") == 1 and figure("gate_passed", model="application_pd") == 0
    assert figure("champion_version", model="account_pd") == 1
    assert figure("auc", model="account_pd", basis="realised") == 0.8
    assert figure("auc", model="account_pd", basis="expected") == 0.79
    assert figure("deadline_margin_seconds", cadence="nightly") == 750
    assert figure("deadline_missed", cadence="nightly") == 0
    assert ("nightbook_scored_rows", (("model", "account_pd"),)) in figures


def test_what_is_not_there_yet_or_reads_otherwise_costs_only_its_own_figures(made):
    made.run("R1")
    made.execute("drop schema training cascade", "drop table monitoring.fct_feature_psi")
    with warehouse.asking() as query:
        figures, problems = metrics_file.measured(query)
    assert not problems and figures["nightbook_run_success", (("cadence", "nightly"),)] == 1
    made.execute("create table monitoring.fct_model_performance as select 1 as other")
    with warehouse.asking() as query:
        figures, problems = metrics_file.measured(query)
    assert list(problems) == ["performance"] and figures["nightbook_run_success", (("cadence", "nightly"),)] == 1
