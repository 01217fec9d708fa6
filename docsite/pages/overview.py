"""The first page: the system in one picture, links for each kind of reader, and the current state."""

from collections.abc import Iterator
from pathlib import Path

from docsite.blocks import Facts, Image, Link, Missing, Page, Section, Table, Text, node
from docsite.model.subject import cited
from docsite.pages.models import path
from docsite.reading import Reading

ORDER = 0
_PICTURE = Path(__file__).parents[1] / "templates" / "system.svg"


def pages(reading: Reading) -> Iterator[Page]:
    """Make index.html."""
    yield Page(
        "index.html",
        "overview",
        "Nightbook",
        "Batch credit scoring in one dbt project: what it does, from which data, and how well.",
        [_standing(reading), _readers(reading), _system()],
    )


def _standing(reading: Reading) -> Section:
    rows = []
    for name in reading.model_names():
        champion = reading.champion(name)
        figures = (
            reading.cited(
                "training.fct_gate_decisions",
                {"auc": ("max(candidate_value)", "figure")},
                key=["mlflow_run_id"],
                where={"model_name": name, "metric": "auc", "mlflow_run_id": champion.mlflow_run_id},
            )
            if champion
            else []
        )
        rows.append(
            [
                Link(name, path(name)),
                cited(champion, "model_version") if champion else "no champion",
                cited(champion, "approver") if champion else None,
                cited(champion, "approved_at") if champion else None,
                figures[0]["auc"] if figures else None,
            ]
        )
    night = reading.last_night()
    blocks: list[object] = [Table(["model", "champion", "approved by", "at (UTC)", "holdout AUC"], rows, (1, 4))]
    if night is None:
        blocks.append(Missing("No night has been scored yet: `python orchestrate.py score`."))
    else:
        run = reading.cited(
            "audit.fct_runs",
            {
                "as_of": "as_of_date",
                "accounts": ("accounts_scored", "count"),
                "applications": ("applications_scored", "count"),
                "ended": "ended_at",
                "commit": "git_commit",
            },
            key=["run_id"],
            where={"run_id": night["run_id"]},
        )[0]
        blocks.append(
            Facts(
                [
                    ("Last night", run["as_of"]),
                    ("Scored", [run["accounts"], " accounts, ", run["applications"], " applications"]),
                    ("Ended (UTC)", run["ended"]),
                    ("Run", run["run_id"]),
                    ("Code", run["commit"]),
                ]
            )
        )
    return Section("Current state", "standing", blocks)


def _system() -> Section:
    return Section(
        "The system in one picture",
        "system",
        [
            Image(
                "system.svg",
                _PICTURE.read_text(),
                "One DAG of SQL and Python models. Every box is a folder of the project. Between landing and "
                "monitoring, only the approval happens outside dbt: a person gives it.",
            ),
        ],
    )


def _readers(reading: Reading) -> Section:
    models: list[object] = []
    for name in reading.model_names():
        models += [" " if models else "", Link(name, path(name))]
    rows = [
        [
            "Model risk",
            [
                "a page per model: ",
                *models,
                "; then ",
                Link("supervisors' expectations", "expectations.html"),
                " and ",
                Link("lineage", "lineage.html"),
            ],
        ],
        [
            "Fair lending, compliance",
            [Link("fairness", "fairness.html"), "; reasons in ", node("fct_application_scores")],
        ],
        ["Finance", [Link("provisions", "provisions.html"), "; ", node("fct_provisions")]],
        ["Underwriting", [node("underwriting_queue")]],
        [
            "On call",
            [
                Link("the last night's input", "monitoring.html#input"),
                "; ",
                node("fct_runs"),
                "; ",
                node("fct_deadlines"),
            ],
        ],
        [
            "Analytics engineer",
            [
                Link("dbt docs", "dbt/index.html"),
                "; ",
                node("feature_catalog", kind="seed"),
                "; ",
                node("feat_accounts"),
            ],
        ],
        [
            "ML engineer",
            [Link("monitoring", "monitoring.html"), "; ", node("fct_gate_decisions"), "; ", node("fct_training_need")],
        ],
        [
            "Supervisor, auditor",
            [
                Link("expectations", "expectations.html"),
                "; ",
                node("fct_audit_log"),
                "; ",
                node("regulatory_filing", "the regulatory filing", "exposure"),
            ],
        ],
    ]
    return Section(
        "Where to start",
        "readers",
        [
            Table(["you are", "start here"], rows),
            Text(
                [
                    "Everything here was read from the warehouse and the model registry when the site was built; "
                    "`python orchestrate.py docs` builds it again. The site needs no server and no network."
                ]
            ),
        ],
    )
