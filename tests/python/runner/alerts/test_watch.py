"""What happens around a command: which notices are sent, how often, at what cost, and which metrics are written."""

import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from nightbook.errors import NightbookError
from runner.alerts import metrics_file, notices, watch, webhook
from stand_ins import MISBEHAVIOURS, SECRET, now, timed

FAILURE = "snapshot_is_complete: 1 failing rows"


def run(failure: str | None = None, cadence: str | None = "nightly", seconds: float = 0) -> None:
    """A command that ends as given."""

    @watch.watched(cadence)
    def command():
        time.sleep(seconds)
        if failure:
            raise NightbookError(failure)
        return "done"

    if failure is None:
        assert command() == "done"
    else:
        with pytest.raises(NightbookError, match=failure):
            command()


@pytest.fixture
def told(receiver, monkeypatch):
    """A receiver whose address the commands know."""

    def behave(behaviour: str) -> None:
        receiver.behaviour = behaviour
        monkeypatch.setenv(webhook.VARIABLE, receiver.address)

    receiver.behave = behave
    behave("takes")
    return receiver


def figure(name: str, **labels: str) -> float | None:
    return metrics_file.read(metrics_file.path()).get(("nightbook_" + name, tuple(sorted(labels.items()))))


# --- what the receiver does


@pytest.mark.parametrize(("behaviour", "said"), MISBEHAVIOURS.items())
def test_a_receiver_that_misbehaves_costs_seconds_and_a_line_and_nothing_is_lost(
    home, told, capsys, monkeypatch, behaviour, said
):
    monkeypatch.setattr(watch, "SECONDS", 0.4)
    told.behave(behaviour)
    assert timed(lambda: run(FAILURE)) < 1.2
    printed = capsys.readouterr()
    assert printed.err == "" and len(printed.out.splitlines()) == 1
    assert printed.out.startswith("warning: notices: 1 not accepted by the webhook yet: ") and said in printed.out
    assert figure("notices_waiting") == 1
    assert timed(run) < 1.2
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: notices: 2 not accepted by the webhook yet: ") and figure("notices_waiting") == 2
    monkeypatch.setattr(watch, "SECONDS", 5)
    told.behave("takes")
    run()
    run()
    assert capsys.readouterr().out == "" and figure("notices_waiting") == 0
    failed, recovered = told.lines
    assert failed == f"nightly run failed: {FAILURE}" and recovered.startswith("nightly run recovered")
    files = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert files and not any(SECRET.encode() in content for content in files)
    assert "elsewhere" not in " ".join(told.asked)


def test_without_an_address_nothing_is_opened_and_nothing_piles_up(made, capsys, nothing_is_opened):
    made.run("R1", outcome="failed")
    made.deadline("breached", now() - timedelta(hours=1), -60)
    run(FAILURE)
    run()
    assert capsys.readouterr() == ("", "")
    assert not notices.read().waiting and figure("run_success", cadence="nightly") == 1


def test_an_address_that_must_not_be_called_is_a_warning(told, capsys, monkeypatch, nothing_is_opened):
    monkeypatch.setenv(webhook.VARIABLE, "http://hooks.example.com/" + SECRET)
    run(FAILURE)
    (line,) = capsys.readouterr().out.splitlines()
    assert webhook.VARIABLE in line and SECRET not in line


# --- failures and recoveries


def test_a_failure_and_the_recovery_from_it_are_told_once_each_and_by_cadence(told):
    run()
    run(FAILURE)
    run(FAILURE)
    run("no training cases", cadence="weekly")
    run(cadence=None)
    run()
    run()
    kinds = [line.split(":")[0] for line in told.lines]
    assert kinds == ["nightly run failed", "weekly run failed", "nightly run recovered"]
    assert figure("run_success", cadence="nightly") == 1 and figure("run_success", cadence="weekly") == 0
    assert figure("last_success_timestamp_seconds", cadence="weekly") is None


def test_an_unforeseen_error_and_an_interruption_are_failures_too(told):
    for error in (MemoryError("no more\nat all"), KeyboardInterrupt()):
        with pytest.raises(type(error)), watch.watched("nightly"):
            raise error
    assert told.lines == ["nightly run failed: MemoryError: no more", "nightly run failed: interrupted"]


def test_a_command_that_somebody_waits_for_tells_nothing_of_its_own_failure(told):
    run("account_pd has no version 7", cadence=None)
    assert not told.lines and metrics_file.path().exists()


def test_a_failure_is_told_and_measured_while_another_process_holds_the_warehouse(made, told, capsys):
    made.run("R1", ago=24)
    made.psi("R1", "2026-01-30", utilization=0.2)
    run(cadence=None)
    before = metrics_file.read(metrics_file.path())
    assert before["nightbook_psi_worst", (("model", "account_pd"),)] == 0.2
    code = f"import duckdb, sys; c = duckdb.connect({str(made.path)!r}); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        run("warehouse.duckdb is in use by process 1")
    finally:
        holder.communicate("")
    assert told.lines == ["nightly run failed: warehouse.duckdb is in use by process 1"]
    assert capsys.readouterr().out == ""
    after = metrics_file.read(metrics_file.path())
    nightly = (("cadence", "nightly"),)
    changed = {name for name, labels in before if after[name, labels] != before[name, labels]}
    assert changed == {
        "nightbook_run_success",
        "nightbook_run_end_timestamp_seconds",
        "nightbook_run_duration_seconds",
    }
    assert after["nightbook_run_success", nightly] == 0
    run(cadence=None)
    assert figure("run_success", cadence="nightly") == 0


def test_a_failure_is_told_without_warehouse_and_with_a_home_that_cannot_be_written(home, told, capsys):
    home.write_text("no folder")
    run(FAILURE)
    assert told.lines == [f"nightly run failed: {FAILURE}"]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: notices: ") and line.endswith("(and 1 more)")


def test_a_journal_that_is_none_is_named_and_nothing_is_thrown_away(home, told, capsys):
    (home / "notices").mkdir(parents=True)
    (home / "notices" / "journal.json").write_text("{")
    run(FAILURE)
    run()
    assert told.lines == [f"nightly run failed: {FAILURE}"]
    assert all("notices cannot be used" in line for line in capsys.readouterr().out.splitlines())
    assert (home / "notices" / "journal.json").read_text() == "{"


def test_what_dbt_alone_did_is_told_when_somebody_looks(made, told, capsys):
    made.run("R1", ago=30)
    watch.look()
    made.run("R2", ago=3, outcome="failed")
    made.run("B1", ago=2, outcome="failed", pinned_versions='{"account_pd":1}')
    watch.look()
    watch.look()
    made.run("R3", ago=1)
    watch.look()
    watch.look()
    assert told.lines[:2] == [
        "backfill run failed: a_test, in dbt run B1",
        "nightly run failed: a_test, in dbt run R2",
    ]
    assert len(told.lines) == 3 and told.lines[2].startswith("nightly run recovered")


# --- deadlines


def test_a_late_end_is_told_when_the_run_starts_and_not_again_when_it_comes_true(made, told):
    due = now() + timedelta(minutes=20)
    made.deadline("predicted_breach", due, -25)
    started = threading.Event()

    @watch.watched("nightly")
    def command():
        assert len(told.lines) == 1
        started.set()

    command()
    assert started.is_set()
    run(FAILURE)
    made.deadline("breached", due, -31.5, ended_at=due + timedelta(minutes=31))
    run()
    watch.look()
    late, failed, recovered = told.lines
    assert late == (
        f"nightly results, due {due:%Y-%m-%d %H:%M} UTC, will be about 0:25 h late: the median run takes 0:45 h"
    )
    assert "failed" in failed and "recovered" in recovered
    made.deadline("breached", due + timedelta(days=1), -31.5, ended_at=due + timedelta(days=1, minutes=31))
    run()
    assert "were 0:32 h late" in told.lines[3] and len(told.lines) == 4


def test_a_deadline_that_nothing_ran_for_is_told_by_whoever_looks(made, told):
    made.deadline("breached", now() - timedelta(minutes=1), None)
    watch.look()
    watch.look()
    assert len(told.lines) == 1 and told.lines[0].endswith("UTC, are missing")


def test_a_deadline_that_passes_while_the_run_goes_on_is_told_then(made, told):
    due = now() + timedelta(seconds=0.5)
    made.deadline("open", due, 3)
    seen = []

    @watch.watched("nightly")
    def command():
        time.sleep(1)
        seen.extend(told.lines)

    command()
    made.deadline("breached", due, -1, ended_at=due + timedelta(minutes=1))
    run()
    assert len(seen) == 1 and "is still running" in seen[0] and told.lines == seen


def test_a_deadline_that_is_met_or_open_is_nothing_to_tell(made, told):
    made.deadline("open", now() + timedelta(hours=5), 120)
    run()
    made.deadline("met", now() + timedelta(hours=5), 300, ended_at=now())
    run()
    assert not told.lines and not any(isinstance(one, threading.Timer) for one in threading.enumerate())
    assert figure("deadline_margin_seconds", cadence="nightly") == 18000


# --- verdicts and drift


def test_a_verdict_is_told_once_with_its_reasons(made, told):
    made.run("W1", cadence="weekly")
    made.execute(
        "insert into training.fct_gate_decisions values"
        " ('account_pd', 'W1', 'auc', 'pass', 'fine', '2026-01-29'),"
        " ('account_pd', 'W1', 'age', 'warn', 'Old.', '2026-01-29'),"
        " ('application_pd', 'W1', 'auc', 'fail', 'Failed: AUC < 0.7.', '2026-01-29'),"
        " ('application_pd', 'W1', 'brier', 'fail', 'Failed: Brier.', '2026-01-29'),"
        " ('account_pd', 'W0', 'auc', 'fail', 'An older one.', '2026-01-22')",
        "insert into audit.fct_model_versions values ('account_pd', 4, 'W1', false)",
    )
    run(cadence="weekly")
    run()
    assert told.lines == [
        "account_pd: the gate passed the candidate, registered as version 4; warnings for the approver: Old.",
        "application_pd: the gate rejected the candidate: Failed: AUC &lt; 0.7. Failed: Brier.",
    ]


def test_new_drift_is_told_once_by_name_and_value_the_furthest_first(made, told):
    made.run("R1", ago=49)
    made.psi("R1", "2026-01-29", utilization=0.4, dpd=0.1, income=0.05)
    made.run("R2", ago=25)
    made.psi("R2", "2026-01-30", utilization=0.5, dpd=0.3, income=0.261, tenure=0.1)
    run()
    run()
    assert told.lines == ["account_pd: new drift alerts on 2026-01-30 (PSI): dpd 0.300, income 0.261"]
    made.psi("R2", "2026-01-30", months=0.9)
    run()
    assert told.lines[1:] == ["account_pd: new drift alerts on 2026-01-30 (PSI): months 0.900"]
    made.run("R3", ago=-1, outcome="failed")
    made.psi("R3", "2026-01-31", **{f"feature_{number:02}": 1 + number / 100 for number in range(14)})
    watch.look()
    assert told.lines[2].startswith("nightly run failed") and figure("run_success", cadence="nightly") == 0
    assert "feature_13 1.130, feature_12 1.120" in told.lines[3] and told.lines[3].endswith("and 4 more")


def test_a_defect_in_all_this_costs_a_line(home, told, capsys, monkeypatch):
    monkeypatch.setattr(watch, "_Seen", None)
    run()
    run(FAILURE)
    assert capsys.readouterr().out == "warning: notices and metrics: AttributeError\n" * 2


def test_a_relation_that_reads_otherwise_costs_a_line_and_the_rest_is_told(made, told, capsys):
    made.execute("create or replace table monitoring.fct_feature_psi as select 1 as other")
    run(FAILURE)
    assert told.lines == [f"nightly run failed: {FAILURE}"]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: notices: drift could not be read") and line.endswith("(and 1 more)")
