"""Every column of a score leads back to landed columns, and the OpenLineage events say the same."""

import json
import re
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from nightbook.lineage import graph
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset

from .conftest import ROOT, Home, ok, refused

NAMES = ("from_relation", "from_column", "to_relation", "to_column", "from_model_name", "to_model_name")


@pytest.fixture(scope="module")
def edges(demo) -> list[dict]:
    """Edges of the last night and the training before it."""
    rows = demo[0].query(f"select distinct {', '.join(NAMES)} from audit.fct_lineage_edges")
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def made_of(edges) -> graph.Steps:
    return graph.steps(edges)


def behind(made_of: graph.Steps, *start: str, model: str | None = None) -> set[tuple[str, str]]:
    """Columns upstream of a column, itself included."""
    return {node[:2] for node in graph.reached((*start, model), made_of)}


def test_every_column_of_a_score_goes_back_to_what_landed(demo, made_of):
    home, _ = demo
    for relation in ("fct_account_scores", "fct_application_scores"):
        columns = home.query(
            f"select column_name from duckdb_columns() where schema_name = 'marts' and table_name = '{relation}'"
        )
        assert len(columns) > 10
        for (column,) in columns:
            seen = behind(made_of, f"marts.{relation}", column)
            # The id and time of the run have not landed; they come from the request.
            origin = "inputs.int_request" if column in ("run_id", "scored_at") else "raw."
            assert any(name.startswith(origin) for name, _ in seen), (relation, column)
    seen = behind(made_of, "marts.fct_account_scores", "pd")
    for node in (
        ("scoring.tonight_account_scores", "pd"),
        ("scoring.champions", "model_digest"),
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


# Relation -> its model, and columns that depend on a model. The last four hold rows of both models.
OF_MODELS = {
    "marts.fct_account_scores": (
        "account_pd",
        ["pd", "margin", "score", "risk_grade", "model_version", "model_digest"],
    ),
    "marts.fct_provisions": ("account_pd", ["pd", "loss_pd", "expected_loss", "ifrs9_stage"]),
    "marts.rpt_regulatory_features": ("account_pd", ["model_version"]),
    "marts.fct_application_scores": ("application_pd", ["pd", "score", "risk_grade", "reason_1", "model_version"]),
    "marts.fct_application_contributions": ("application_pd", ["contribution", "model_version"]),
    "marts.underwriting_queue": ("application_pd", ["pd", "rank", "triage_band", "reasons"]),
    "monitoring.fct_feature_psi": (None, ["value"]),
    "monitoring.fct_score_drift": (None, ["value"]),
    "scoring.reference_shares": (None, ["share"]),
    "training.fct_gate_decisions": (None, ["candidate_value", "verdict"]),
}
# The customer-level features are keyed by dates of both accounts and applications.
OF_THE_KEY = {"applied_on", "customer_id"}
ONLY_APPLICATIONS = {
    "stated_income",
    "requested_amount",
    "requested_term_months",
    "purpose",
    "channel",
    "home_ownership",
}
# What an application model reads of the book: number of accounts, debt, and lateness of the customer.
OF_THE_BOOK = {"account_status", "balance", "credit_limit", "days_past_due", "scheduled_payment", "snapshot_date"}


def seen_of(made_of: graph.Steps, relation: str, column: str, model: str) -> tuple[set[str], ...]:
    seen = behind(made_of, relation, column, model=model if OF_MODELS[relation][0] is None else None)
    return (
        {name for place, name in seen if place == "raw.applications"},
        {name for place, name in seen if place == "raw.loan_servicing"},
        {place for place, _ in seen if place.startswith(("models:/", "training.training_set"))},
    )


@pytest.mark.parametrize("model", ["account_pd", "application_pd"])
@pytest.mark.parametrize("relation", OF_MODELS)
def test_what_a_score_is_made_of_is_one_models(edges, made_of, relation, model):
    whose, columns = OF_MODELS[relation]
    if whose not in (None, model):
        return
    other = {"account_pd": "application_pd", "application_pd": "account_pd"}[model]
    for column in columns:
        applications, servicing, models = seen_of(made_of, relation, column, model)
        assert f"training.training_set_{model}" in models, column
        assert not any(other in name for name in models), (column, models)
        if model == "account_pd":
            assert applications <= OF_THE_KEY and servicing >= {"days_past_due", "amount_paid"}, column
        else:
            assert applications >= ONLY_APPLICATIONS and servicing <= OF_THE_BOOK, column
        outcome = behind(made_of, f"training.training_set_{model}", "is_default")
        assert ("raw.default_events", "defaulted_on") in outcome
    # The former state, when an edge did not name a model.
    mixed = graph.steps({name: value for name, value in edge.items() if "model" not in name} for edge in edges)
    if relation not in ("training.fct_gate_decisions", "scoring.reference_shares"):
        assert f"models:/{other}" in seen_of(mixed, relation, columns[0], model)[2]


@pytest.mark.parametrize("model", ["account_pd", "application_pd"])
@pytest.mark.parametrize(
    ("relation", "column"),
    [
        ("fct_model_performance", "value"),
        ("fct_calibration", "default_count"),
        ("fct_challenger_comparison", "value"),
        ("tonight_shadow_scores", "pd"),
    ],
)
def test_what_is_measured_of_a_model_is_not_made_of_the_other(made_of, relation, column, model):
    """Outcomes and cohorts of the whole book take part, so it reaches more than a score does."""
    models = {place for place, _ in behind(made_of, f"monitoring.{relation}", column, model=model)}
    other = {"account_pd": "application_pd", "application_pd": "account_pd"}[model]
    assert f"models:/{model}" in models and f"models:/{other}" not in models


@pytest.mark.parametrize(
    "relation",
    [
        "fairness.fct_fairness",
        "monitoring.fct_calibration",
        "monitoring.fct_challenger_comparison",
        "monitoring.fct_feature_psi",
        "monitoring.fct_feature_shares",
        "monitoring.fct_grade_migration",
        "monitoring.fct_model_performance",
        "monitoring.fct_score_drift",
        "scoring.reference_shares",
    ],
)
def test_no_applicants_word_is_behind_what_is_measured_of_accounts(demo, made_of, relation):
    columns = demo[0].query(
        f"select column_name from duckdb_columns() where schema_name || '.' || table_name = '{relation}'"
    )
    for (column,) in columns:
        assert ("raw.applications", "stated_income") not in behind(made_of, relation, column, model="account_pd"), (
            column
        )


@pytest.mark.parametrize(
    ("analysis", "start", "upstream"),
    [
        ("where_a_score_comes_from", ("marts.fct_account_scores", "pd"), True),
        ("what_a_landed_column_feeds", ("raw.loan_servicing", "days_past_due"), False),
    ],
)
def test_the_analyses_walk_as_the_library_does(demo, edges, analysis, start, upstream):
    sql = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"audit.\1", (ROOT / "analyses" / f"{analysis}.sql").read_text())
    walked = graph.reached((*start, None), graph.steps(edges, upstream=upstream))
    assert {row[:2] for row in demo[0].query(sql)} == {node[:2] for node in walked}


def test_every_column_that_is_not_made_by_sql_that_dbt_compiles_is_declared(demo, made_of):
    """Otherwise the path would end there. What is read from outside the warehouse has no origin.

    For a snapshot, dbt writes the SQL that it ran, not the SQL that it was given.
    """
    home, _ = demo
    manifest = json.loads((home.path / "target" / "manifest.json").read_text())
    for node in manifest["nodes"].values():
        is_told = node["name"] != "run_provenance" and "lineage" not in node["name"]
        is_python = node["resource_type"] == "model" and node["language"] == "python"
        if is_told and (is_python or node["resource_type"] == "snapshot"):
            for column in node["columns"]:
                assert made_of[f"{node['schema']}.{node['alias']}", column], (node["name"], column)


def events_of(home: Home) -> list[dict]:
    """The events that a home keeps, run by run in order of time."""
    files = sorted((home.path / "lineage").glob("*.jsonl"))
    assert len(files) == home.query("select count(*) from audit.run_log")[0][0]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_the_events_of_the_demo_are_openlineage(demo):
    scored = False
    for event in events_of(demo[0]):
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
                assert {"namespace": "mlflow", "name": "models:/account_pd/1"} in event["inputs"]
                assert any(one["name"].endswith("champions") for one in event["inputs"])
                inputs = dataset["facets"]["columnLineage"]["fields"]["pd"]["inputFields"]
                assert {one["field"] for one in inputs} > {"dpd_6m_max", "bureau_score", "version"}
    assert scored


def test_a_receiver_of_events_finds_one_model_behind_a_score(demo):
    """A reader of the events knows datasets and columns, but not one model's rows in them."""
    made_of = defaultdict(set)
    for event in events_of(demo[0]):
        for dataset in event.get("outputs", []):
            for column, found in dataset.get("facets", {}).get("columnLineage", {}).get("fields", {}).items():
                made_of[dataset["name"], column] |= {(one["name"], one["field"]) for one in found["inputFields"]}
    for kind, model, other in (("account",) * 2 + ("application",), ("application",) * 2 + ("account",)):
        seen, waiting = set(), [(f"warehouse.marts.fct_{kind}_scores", "pd")]
        while waiting:
            if (node := waiting.pop()) not in seen:
                seen.add(node)
                waiting += made_of[node]
        places = {name for name, _ in seen}
        assert {f"models:/{model}_pd/1", f"warehouse.training.training_set_{model}_pd"} <= places
        assert not {name for name in places if f"{other}_pd" in name}


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
    """Events of each dbt run, split at the event that starts it."""
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
    # An override passes the input checks, and then a data test fails.
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
