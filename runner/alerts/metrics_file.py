"""Figures of runs, models and deadlines in the Prometheus text format, for a node exporter's textfile collector."""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from nightbook import shown
from nightbook.catalog import scoring_models
from nightbook.engine import home
from nightbook.engine.warehouse import Query, has
from runner.alerts.notices import Ended

# (name, labels) -> value. Labels are pairs of name and value.
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]

_HELP = {
    "nightbook_run_duration_seconds": "Wall time of the last run of a cadence, failed or not.",
    "nightbook_run_success": "1 if the last run of a cadence succeeded, 0 if it failed.",
    "nightbook_run_end_timestamp_seconds": "When the last run of a cadence ended, failed or not.",
    "nightbook_last_success_timestamp_seconds": "When the last successful run of a cadence ended.",
    "nightbook_scored_rows": "Accounts or applications that the last successful night scored.",
    "nightbook_relation_rows": "Rows of a table at the end of the last successful run.",
    "nightbook_psi_worst": "Largest population stability index among a model's inputs, on the last night measured.",
    "nightbook_psi_score": "Population stability index of a model's scores, on the last night measured.",
    "nightbook_drift_alerts": "Inputs and score of a model whose drift is an alert, on the last night measured.",
    "nightbook_gate_auc": "AUC of the last candidate on its holdout, as the gate measured it.",
    "nightbook_gate_passed": "1 if the last candidate passed the gate, 0 if it was rejected.",
    "nightbook_champion_version": "Version of a model that scores.",
    "nightbook_auc": "AUC of the scored book: realised, of the last matured cohort, or expected, of the last night.",
    "nightbook_deadline_timestamp_seconds": "When the results of a cadence are due, the current deadline.",
    "nightbook_deadline_margin_seconds": "From the run's end, or its expected end, to the deadline; below 0 if late.",
    "nightbook_deadline_missed": "1 if the current deadline of a cadence was missed or probably will be.",
    "nightbook_notices_waiting": "Notices that the webhook has not accepted yet.",
}


def path() -> Path:
    """Path of the metrics file: NIGHTBOOK_METRICS_FILE, or else `metrics/nightbook.prom`, both relative to the home.

    The textfile collector reads files whose names end in .prom.
    """
    return home.home() / (os.environ.get("NIGHTBOOK_METRICS_FILE") or "metrics/nightbook.prom")


def measured(query: Query) -> tuple[Figures, dict[str, str]]:
    """Read all figures from the warehouse. A relation that does not exist yet gives none.

    Returns:
        The figures, and for each reader that failed, its name and the error's type.
    """
    figures: Figures = {}
    problems: dict[str, str] = {}
    for read in (_runs, _rows, _drift, _gate, _champions, _performance, _deadlines):
        try:
            for name, value, labels in read(query):
                if value is not None:
                    figures[name, tuple(sorted((key, shown.line(text)) for key, text in labels.items()))] = float(value)
        except Exception as error:
            problems[read.__name__.strip("_")] = type(error).__name__
    return figures, problems


def of_runs(last: dict[str, Ended]) -> Figures:
    """How the last run of each cadence ended, as the runner knows it, even if the warehouse holds nothing of it."""
    figures: Figures = {}
    for cadence, run in last.items():
        labels = (("cadence", shown.line(cadence)),)
        started, ended = (
            datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for at in (run.started_at, run.ended_at)
        )
        figures["nightbook_run_duration_seconds", labels] = ended - started
        figures["nightbook_run_success", labels] = float(run.failure is None)
        figures["nightbook_run_end_timestamp_seconds", labels] = ended
        if run.failure is None:
            figures["nightbook_last_success_timestamp_seconds", labels] = ended
    return figures


def read(file: Path) -> Figures:
    """Read the figures of a metrics file. A missing file has none.

    Raises:
        ValueError: it is not a metrics file.
    """
    from prometheus_client.parser import text_string_to_metric_families

    if not file.exists():
        return {}
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(file.read_bytes().decode())
        for sample in family.samples
        if sample.name in _HELP
    }


def write(file: Path, figures: Figures) -> None:
    """Replace a metrics file whole. A reader sees either the previous file or this one.

    Raises:
        OSError: it cannot be written; the previous file stays.
    """
    from prometheus_client import CollectorRegistry, write_to_textfile

    registry = CollectorRegistry()
    registry.register(_Collected(figures))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(file), registry)


class _Collected:
    """A collector of figures, in the form that prometheus_client needs."""

    def __init__(self, figures: Figures):
        self._figures = figures

    def collect(self) -> Iterator:
        from prometheus_client.core import GaugeMetricFamily

        samples = defaultdict(list)
        for (name, labels), value in sorted(self._figures.items()):
            samples[name].append((dict(labels), value))
        for name, found in samples.items():
            family = GaugeMetricFamily(name, _HELP[name])
            for labelled, value in found:
                family.add_sample(name, labelled, value)
            yield family


_Read = Iterable[tuple[str, float | None, dict[str, str]]]
# A backfill runs like a night, but nobody waits for its dates. It therefore counts as a cadence of its own.
_LOG = """(
    select
        case when pinned_versions is null then cadence else 'backfill' end as cadence,
        run_id, started_at, ended_at, outcome, first_failure, accounts_scored, applications_scored, rows_by_relation
    from audit.run_log
) as runs"""
# The last night that measured drift, whether or not it succeeded.
_MEASURED = """(
    select run_id from audit.run_log
    where run_id in (select run_id from monitoring.fct_feature_psi) and pinned_versions is null
    order by started_at desc limit 1
)"""


def last_runs(query: Query) -> list[dict]:
    """The last run of each cadence in the run log: cadence, run_id, started_at, ended_at, outcome, first_failure."""
    if not has(query, "audit", "run_log"):
        return []
    return query(
        f"""
        select cadence, run_id, started_at, ended_at, outcome, first_failure from {_LOG}
        qualify row_number() over (partition by cadence order by ended_at desc, run_id) = 1
        order by cadence
        """
    )


def drift(query: Query) -> list[dict]:
    """Drift of the last night that measured it: model_name, feature, as_of_date, value, is_alert, was_alert.

    `was_alert` is about the night before. A model's score is the feature `(score)`.
    """
    if not (has(query, "monitoring", "fct_feature_psi") and has(query, "audit", "run_log")):
        return []
    scores = "select model_name, '(score)', as_of_date, run_id, psi, status from monitoring.fct_score_drift"
    also_scores = f"union all {scores}" if has(query, "monitoring", "fct_score_drift") else ""
    return query(
        f"""
        with measured as (
            select model_name, feature, as_of_date, run_id, value, status from monitoring.fct_feature_psi
            {also_scores}
        ),
        nights as (
            select
                model_name, feature, as_of_date, run_id, max(value) as value,
                max(case when status = 'alert' then 1 else 0 end) = 1 as is_alert
            from measured group by model_name, feature, as_of_date, run_id
        ),
        compared as (
            select
                *,
                coalesce(lag(is_alert) over (partition by model_name, feature order by as_of_date), false) as was_alert
            from nights
        )
        select model_name, feature, as_of_date, value, is_alert, was_alert
        from compared where run_id in {_MEASURED} order by value desc, model_name, feature
        """
    )


def _runs(query: Query) -> _Read:
    for run in last_runs(query):
        labels = {"cadence": run["cadence"]}
        yield "nightbook_run_duration_seconds", (run["ended_at"] - run["started_at"]).total_seconds(), labels
        yield "nightbook_run_success", run["outcome"] == "succeeded", labels
        yield "nightbook_run_end_timestamp_seconds", _epoch(run["ended_at"]), labels
    if has(query, "audit", "run_log"):
        for run in query(
            f"select cadence, max(ended_at) as ended_at from {_LOG} where outcome = 'succeeded' group by cadence"
        ):
            labels = {"cadence": run["cadence"]}
            yield "nightbook_last_success_timestamp_seconds", _epoch(run["ended_at"]), labels


def _rows(query: Query) -> _Read:
    if not has(query, "audit", "run_log"):
        return
    for run in query(
        f"""
        select cadence, rows_by_relation from {_LOG} where outcome = 'succeeded'
        qualify row_number() over (partition by cadence order by ended_at desc, run_id) = 1
        """
    ):
        counts = json.loads(run["rows_by_relation"] or "{}")
        for model in scoring_models.read().values() if run["cadence"] != "backfill" else ():
            yield "nightbook_scored_rows", counts.get(f"scoring.{model.tonight_scores}"), {"model": model.model_name}
        for relation, rows in counts.items():
            yield "nightbook_relation_rows", rows, {"cadence": run["cadence"], "relation": relation}


def _drift(query: Query) -> _Read:
    worst: dict[tuple[str, str], float] = {}
    alerts: dict[str, int] = defaultdict(int)
    for row in drift(query):
        name = "nightbook_psi_score" if row["feature"] == "(score)" else "nightbook_psi_worst"
        worst.setdefault((name, row["model_name"]), row["value"])
        alerts[row["model_name"]] += row["is_alert"]
    for (name, model), value in worst.items():
        yield name, value, {"model": model}
    for model, count in alerts.items():
        yield "nightbook_drift_alerts", count, {"model": model}


_SAID_AS = {"fail": "failures", "warn": "warnings"}


def verdicts(query: Query) -> list[dict]:
    """The gate's verdicts on each candidate of the last training.

    Returns:
        One row per candidate: model_name, run_id, the reasons of failed rules (failures) and of warnings (warnings),
        and model_version if it was registered.
    """
    if not has(query, "training", "fct_gate_decisions"):
        return []
    said = query(
        """
        select model_name, run_id, verdict, reason from training.fct_gate_decisions
        where run_id in (select run_id from training.fct_gate_decisions order by decided_at desc limit 1)
        order by model_name, run_id, rule
        """
    )
    candidates: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in said:
        candidate = candidates.setdefault((row["model_name"], row["run_id"]), {"failures": [], "warnings": []})
        if row["verdict"] in _SAID_AS:
            candidate[_SAID_AS[row["verdict"]]].append(row["reason"])
    registered = {}
    if has(query, "audit", "fct_model_versions"):
        for row in query("select model_name, run_id, model_version from audit.fct_model_versions"):
            registered[row["model_name"], row["run_id"]] = row["model_version"]
    return [
        {"model_name": model, "run_id": run_id, **reasons, "model_version": registered.get((model, run_id))}
        for (model, run_id), reasons in candidates.items()
    ]


def _gate(query: Query) -> _Read:
    for row in verdicts(query):
        yield "nightbook_gate_passed", not row["failures"], {"model": row["model_name"]}
    if has(query, "training", "gate_measurements"):
        for row in query("select model_name, value from training.gate_measurements where metric = 'auc'"):
            yield "nightbook_gate_auc", row["value"], {"model": row["model_name"]}


def _champions(query: Query) -> _Read:
    if has(query, "audit", "fct_model_versions"):
        for row in query("select model_name, model_version from audit.fct_model_versions where is_champion"):
            yield "nightbook_champion_version", row["model_version"], {"model": row["model_name"]}


def _performance(query: Query) -> _Read:
    if not has(query, "monitoring", "fct_model_performance"):
        return
    for row in query(
        """
        select model_name, basis, value from monitoring.fct_model_performance where metric = 'auc'
        qualify row_number() over (
            partition by model_name, basis order by as_of_date desc, cohort_date desc, model_version
        ) = 1
        """
    ):
        yield "nightbook_auc", row["value"], {"model": row["model_name"], "basis": row["basis"]}


def deadlines(query: Query) -> list[dict]:
    """The current deadline of each cadence and the one before it, current first, as rows of fct_deadlines."""
    if not has(query, "operations", "fct_deadlines"):
        return []
    return query(
        """
        select * from operations.fct_deadlines
        qualify row_number() over (partition by cadence order by due_at desc) <= 2
        order by cadence, due_at desc
        """
    )


def _deadlines(query: Query) -> _Read:
    seen = set()
    for row in deadlines(query):
        if row["cadence"] in seen:
            continue
        seen.add(row["cadence"])
        labels = {"cadence": row["cadence"]}
        margin = row["margin_minutes"]
        yield "nightbook_deadline_timestamp_seconds", _epoch(row["due_at"]), labels
        yield "nightbook_deadline_margin_seconds", None if margin is None else float(margin) * 60, labels
        yield "nightbook_deadline_missed", row["status"] in ("breached", "predicted_breach"), labels


def _epoch(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()
