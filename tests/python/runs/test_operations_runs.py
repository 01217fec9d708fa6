"""Several nights with a receiver: which notices it gets, and what the metrics file says."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import ok, refused


@pytest.fixture
def receiver():
    """A receiver: its address, what it took, when it was called, and a switch. It hangs until told to answer."""
    taken, asked, answers, over = [], [], threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(time.monotonic())
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if answers.is_set():
                taken.extend(line[21:] for line in json.loads(body)["text"].splitlines()[1:])
                self.send_response(200)
                self.end_headers()
            else:
                over.wait(60)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *arguments: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/services/hush", taken, asked, answers
    over.set()
    server.shutdown()
    server.server_close()


def figures(text: str) -> dict[tuple, float]:
    """name and values of labels -> value."""
    return {
        (sample.name.removeprefix("nightbook_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_nights_that_are_watched(copy, receiver):
    """A night that fails while the receiver hangs, one that succeeds, and a look afterwards."""
    url, taken, asked, answers = receiver
    watched = {"NIGHTBOOK_WEBHOOK_URL": url}
    # The only night was three days ago and took a day. So tonight's is late at any hour, and last night's is missing.
    copy.execute(
        "update audit.run_log set ended_at = ended_at - interval 72 hour, started_at = ended_at - interval 96 hour",
        "create table kept as select * from raw.loan_servicing",
        "delete from raw.loan_servicing where snapshot_date = '2026-06-30' and hash(account_id) % 2 = 0",
    )
    failed = copy.run("score", **watched)
    ended = time.monotonic()
    failure = refused(failed)
    assert "loan_servicing" in failure
    # Called once before the run, because of the deadlines, and once after it.
    before, after = asked
    assert after - before > 2 and ended - after < 20
    (line,) = failed.stdout.splitlines()
    assert line.startswith("warning: notices: 5 not accepted ") and "no answer within 3 s" in line
    measured = figures((copy.path / "metrics" / "nightbook.prom").read_text())
    last = {name: measured[f"{name}_timestamp_seconds", "nightly"] for name in ("run_end", "last_success")}
    assert measured["run_success", "nightly"] == 0 and last["run_end"] - last["last_success"] > 72 * 3600
    assert measured["deadline_missed", "nightly"] == 1 and measured["deadline_margin_seconds", "nightly"] < 0
    assert measured["psi_worst", "account_pd"] > 0 and measured["scored_rows", "account_pd"] > 1000

    answers.set()
    copy.execute("create or replace table raw.loan_servicing as select * from kept")
    night = ok(copy.run("score", **watched))
    assert "warning: notices" not in night.stdout and "warning: metrics" not in night.stdout
    looked = ok(copy.run("status", "--metrics", **watched))
    assert looked.stdout == (copy.path / "metrics" / "nightbook.prom").read_text() and not looked.stderr
    shown = figures(looked.stdout)
    assert shown["run_success", "nightly"] == 1 and shown["notices_waiting",] == 0
    assert shown["last_success_timestamp_seconds", "nightly"] > last["run_end"]

    assert len(taken) == len(set(taken))
    told = failure.removeprefix("nightbook: ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for start, times in (
        ("nightly results, due ", 2),
        (f"nightly run failed: {told}", 1),
        ("nightly run recovered", 1),
        # The home's record contains a training, so each model is reported once.
        ("account_pd: the gate passed the candidate, registered as version 1", 1),
        ("application_pd: the gate passed the candidate, registered as version 1", 1),
    ):
        assert sum(notice.startswith(start) for notice in taken) == times, (start, taken)
    assert not any(b"hush" in file.read_bytes() for file in copy.path.rglob("*") if file.is_file())
