"""Every column of a score back to what landed, and the events that say so."""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset

from .conftest import ok, refused


def paths(home) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """(relation, column) -> what it was made of, by the last night and the training before it."""
    made_of = defaultdict(set)
    for *origin, relation, column in home.query(
        "select distinct from_relation, from_column, to_relation, to_column from audit.fct_lineage_edges"
    ):
        made_of[relation, column].add(tuple(origin))
    return made_of


def landed(made_of, start: tuple[str, str]) -> set[tuple[str, str]]:
    """Columns of schema raw that a column goes back to, and what lies between."""
    seen, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += made_of.get(node, ())
    return seen


def test_every_column_of_a_score_goes_back_to_what_landed(demo):
    home, _ = demo
    made_of = paths(home)
    for relation in ("fct_account_scores", "fct_application_scores"):
        columns = home.query(
            f"select column_name from duckdb_columns() where schema_name = 'marts' and table_name = '{relation}'"
        )
        assert len(columns) > 10
        for (column,) in columns:
            seen = landed(made_of, (f"marts.{relation}", column))
            assert any(name.startswith("raw.") for name, _ in seen), (relation, column)
    seen = landed(made_of, ("marts.fct_account_scores", "pd"))
    for node in (
        ("scoring.tonight_account_scores", "pd"),
        ("models:/account_pd", "version"),
        ("training.training_set_account_pd", "is_default"),
        ("features.feat_account_behaviour", "dpd_6m_max"),
        ("raw.loan_servicing", "days_past_due"),
        ("raw.payments", "amount"),
        ("raw.bureau_pulls", "bureau_score"),
        ("raw.customers", "annual_income"),
    ):
        assert node in seen, node
    assert ("raw.customers", "full_name") not in seen and ("raw.applications", "narrative") not in seen


def test_every_column_that_a_python_model_makes_is_declared(demo):
    """Or the path would end there; what is read from outside the warehouse has nothing to go back to."""
    home, _ = demo
    made_of = paths(home)
    manifest = json.loads((home.path / "target" / "manifest.json").read_text())
    for node in manifest["nodes"].values():
        is_told = node["name"] != "run_provenance" and "lineage" not in node["name"]
        if node["resource_type"] == "model" and node["language"] == "python" and is_told:
            for column in node["columns"]:
                assert made_of[f"{node['schema']}.{node['alias']}", column], (node["name"], column)


def test_the_events_of_the_demo_are_openlineage(demo):
    home, _ = demo
    events = [json.loads(line) for line in (home.path / "lineage" / "events.jsonl").read_text().splitlines()]
    scored = False
    for event in events:
        RunEvent(
            eventType=RunState(event["eventType"]),
            eventTime=event["eventTime"],
            run=Run(event["run"]["runId"]),
            job=Job(event["job"]["namespace"], event["job"]["name"]),
            producer=event["producer"],
        )
        for dataset in event.get("outputs", []):
            for found in dataset.get("facets", {}).get("columnLineage", {}).get("fields", {}).values():
                for one in found["inputFields"]:
                    column_lineage_dataset.InputField(
                        **one
                        | {
                            "transformations": [
                                column_lineage_dataset.Transformation(**t) for t in one["transformations"]
                            ]
                        }
                    )
            if dataset["name"].endswith("tonight_account_scores") and event["eventType"] == "COMPLETE":
                scored = True
                assert {"namespace": "mlflow", "name": "models:/account_pd/1"} in event["inputs"] or any(
                    one["name"].endswith("champions") for one in event["inputs"]
                )
                inputs = dataset["facets"]["columnLineage"]["fields"]["pd"]["inputFields"]
                assert {one["field"] for one in inputs} > {"dpd_6m_max", "bureau_score", "model_digest"}
    assert scored


@pytest.fixture
def receiver():
    """A real HTTP receiver: its address, and the events that it took, in order."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()


def runs(taken: list[dict]) -> list[list[dict]]:
    """Events of each dbt run, by the event that begins it."""
    found = []
    for event in taken:
        if event["eventType"] == "START" and event["job"]["name"] == "dbt-run-nightbook":
            found.append([])
        found[-1].append(event)
    return found


def test_a_receiver_gets_every_event_in_order_and_loses_none_while_it_is_down(copy, receiver):
    url, taken = receiver
    down = ok(copy.run("score", OPENLINEAGE_URL="http://127.0.0.1:9")).stdout
    assert "events of 1 runs wait" in down and len(list((copy.path / "lineage" / "outbox").glob("*.jsonl"))) == 1
    # Past the gates by somebody's word, into a test of the data.
    copy.execute(
        "delete from raw.accounts where account_id ="
        " (select min(account_id) from raw.loan_servicing where snapshot_date = '2026-06-30')"
    )
    answered = ("--override", "accounts_are_known", "--reason", "the tests are to find it")
    assert "servicing_has_an_account" in refused(copy.run("score", *answered, OPENLINEAGE_URL=url))
    assert not list((copy.path / "lineage" / "outbox").glob("*"))
    night, failed = runs(taken)
    assert night[-1]["eventType"] == "COMPLETE" and failed[-1]["eventType"] == "FAIL"
    for events in (night, failed):
        assert events[0]["run"]["runId"] == events[-1]["run"]["runId"]
        begun = set()
        for event in events[:-1]:
            if event["eventType"] == "START":
                begun.add(event["run"]["runId"])
            else:
                assert event["run"]["runId"] in begun
        assert len(begun) * 2 == len(events)
    assert len(night) > 150 and {event["eventType"] for event in night} == {"START", "COMPLETE"}
    broken = [event["job"]["name"] for event in failed if event["eventType"] == "FAIL"]
    assert any("servicing_has_an_account" in name for name in broken)
    assert any(
        event["outputs"][0]["name"].endswith("marts.fct_account_scores") for event in night if event.get("outputs")
    )
