"""Protected groups: approval, errors and calibration by group, and fairer alternatives to each model."""

from collections.abc import Iterator

import numpy as np

from docsite import plots
from docsite.blocks import Image, Link, Missing, Page, Prose, Section, Table, Text, node
from docsite.pages.models import path
from docsite.reading import Reading

ORDER = 40
_RELATION, _ALTERNATIVES = "fairness.fct_fairness", "fairness.fct_fairness_alternatives"
# Metric of fct_fairness -> heading of its column: metrics of decisions, and metrics of the PDs' fit.
_DECISIONS = {
    "approval_rate": "approved",
    "approval_rate_ratio": "ratio to reference",
    "false_positive_rate": "goods refused",
    "false_negative_rate": "defaults approved",
}
_FIT = {
    "default_rate": "default rate",
    "mean_pd": "mean PD",
    "calibration_ratio": "defaults to expected",
    "auc": "AUC",
}
_RATES = ("approval_rate", "false_positive_rate", "false_negative_rate", "default_rate", "mean_pd")


def pages(reading: Reading) -> Iterator[Page]:
    """One page. It says so if nothing has been measured."""
    yield Page(
        "fairness.html",
        "fairness",
        "Fairness",
        "Whether approval, errors and calibration differ by group. Protected attributes are not model inputs.",
        list(_sections(reading)),
    )


def _sections(reading: Reading) -> Iterator[Section]:
    if not reading.has(_RELATION):
        yield Section("Not measured", "missing", [Missing("This warehouse has no fct_fairness: train first.")])
        return
    formulas = reading.docs_block("fairness_metrics")
    if formulas:
        yield Section("What is measured", "metrics", [Prose(formulas)])
    count = 0
    for name in reading.model_names():
        for where in _measured(reading, name):
            count += 1
            yield _groups(reading, where)
        alternatives = _alternatives(reading, name)
        if alternatives:
            yield alternatives
    if not count:
        yield Section(
            "Not measured", "missing", [Missing("fct_fairness is empty: nothing has been trained or scored.")]
        )


def _measured(reading: Reading, name: str) -> list[dict]:
    """Keys of a model's figures: the holdout of its champion's training, or of the last one; and the last night."""
    own = _trainings(reading, name, _RELATION, "attribute", "population = 'holdout'")
    night = reading.last_night()
    tonight = (
        reading.query(
            f"select distinct attribute, as_of_date, run_id from {_RELATION}"
            " where model_name = ? and population = 'tonight' and run_id = ?",
            [name, night["run_id"]],
        )
        if night
        else []
    )
    found = [
        {
            "model_name": name,
            "population": population,
            **{key: row[key] for key in ("attribute", "as_of_date", "run_id")},
        }
        for population, rows in (("holdout", own), ("tonight", tonight))
        for row in sorted(rows, key=lambda row: row["attribute"])
        if row["run_id"] == rows[0]["run_id"]
    ]
    return found


def _trainings(reading: Reading, name: str, relation: str, column: str = "null", condition: str = "true") -> list[dict]:
    """Runs in a relation, latest first. If the champion's training is among them, only that one."""
    champion = reading.champion(name)
    found = reading.query(
        f"select distinct {column} as attribute, found.as_of_date, found.run_id, mlflow_run_id, started_at"
        f" from {relation} as found left join audit.run_log on found.run_id = audit.run_log.run_id"
        f" where model_name = ? and {condition} order by found.as_of_date desc, started_at desc nulls last",
        [name],
    )
    return [row for row in found if champion and row["mlflow_run_id"] == champion.mlflow_run_id] or found


def _groups(reading: Reading, where: dict) -> Section:
    found = reading.cited(
        _RELATION,
        {
            "value": "value",
            "low": "low",
            "high": "high",
            "cases": ("case_count", "count"),
            "defaults": ("default_count", "count"),
            "status": "status",
            "reason": "reason",
            "than": "reference_group",
        },
        key=["group_name", "metric"],
        where=where,
    )
    of = {(row["group_name"].value, row["metric"].value): row for row in found}
    names = list(dict.fromkeys(group for group, _ in of))
    beside = [row for row in found if row["status"].value in ("warn", "alert")]
    small = sorted({row["group_name"].value for row in found if row["status"].value == "too_small"})
    name, attribute, population = (where[key] for key in ("model_name", "attribute", "population"))
    occasion = "on the holdout of the training" if population == "holdout" else "of the night"
    reference = next((row["than"].value for row in found if row["than"].value), None)
    blocks: list[object] = [
        Text(
            [
                f"{occasion.capitalize()} of {where['as_of_date']}; compared with {reference}. 95% intervals in "
                "brackets. Source: ",
                node("fct_fairness"),
                ".",
            ]
        ),
        *_ratios(of, names, f"{name}_{attribute}_{population}.svg", _bars(reading)),
        *(_by_group(of, names, attribute, metrics) for metrics in (_DECISIONS, _FIT)),
    ]
    if beside:
        blocks.append(
            Table(
                [attribute, "metric", "status", "in words"],
                [[row["group_name"], row["metric"], row["status"], row["reason"]] for row in beside],
            )
        )
    if small:
        blocks.append(Text([f"Too small to judge in at least one figure: {', '.join(small)}."]))
    return Section(f"{name}: {attribute}, {population}", f"{name}-{attribute}-{population}", blocks)


def _by_group(of: dict, names: list[str], attribute: str, metrics: dict[str, str]) -> Table:
    """One row per group, and one column per metric that was measured for any of them."""
    shown = [metric for metric in metrics if any((group, metric) in of for group in names)]
    rows = []
    for group in names:
        first = next(row for (other, _), row in of.items() if other == group)
        cells = [_cell(of.get((group, metric)), metric) for metric in shown]
        rows.append([first["group_name"], first["cases"], first["defaults"], *cells])
    head = [attribute, "cases", "defaults", *(metrics[metric] for metric in shown)]
    return Table(head, rows, tuple(range(1, len(head))))


def _bars(reading: Reading) -> dict[str, float]:
    """The warning thresholds of fairness_rules, as marks of a plot."""
    found = reading.query(
        "select distinct threshold from reference.fairness_rules where metric = 'approval_rate_ratio'"
        " and measure = 'value' order by threshold"
    )
    return {f"{row['threshold']:g}": row["threshold"] for row in found} | {"alike": 1.0}


def _ratios(of: dict, names: list[str], image: str, bars: dict[str, float]) -> list[object]:
    """Approval-rate ratios with their intervals, if there are any."""
    rows = [(group, of[group, "approval_rate_ratio"]) for group in names if (group, "approval_rate_ratio") in of]
    rows = [
        (group, row) for group, row in rows if None not in (row["value"].value, row["low"].value, row["high"].value)
    ]
    if not rows:
        return []
    value, low, high = (np.array([row[column].value for _, row in rows]) for column in ("value", "low", "high"))
    drawn = plots.ratios([group for group, _ in rows], value, low, high, bars)
    return [Image(image, drawn, "Approval rate over that of the reference group, with its 95% interval.")]


def _cell(row: dict | None, metric: str) -> list[object] | None:
    if row is None or row["value"].value is None:
        return None
    form = "rate" if metric in _RATES else "figure"
    value, low, high = (row[column].shown_as(form) for column in ("value", "low", "high"))
    return [value] if low.value is None else [value, " (", low, " to ", high, ")"]


def _alternatives(reading: Reading, name: str) -> Section | None:
    """The training's other fits: performance beside the worst ratio, at one approval rate."""
    if not reading.has(_ALTERNATIVES):
        return None
    last = _trainings(reading, name, _ALTERNATIVES)
    if not last:
        return None
    found = reading.cited(
        _ALTERNATIVES,
        {
            "role": "role",
            "auc": ("auc", "fine"),
            "auc_difference": ("auc_difference", "fine"),
            "ks": ("ks", "fine"),
            "brier": ("brier", "fine"),
            "approval_rate": ("approval_rate", "rate"),
            "worst_group": "worst_group",
            "worst_ratio": ("worst_ratio", "figure"),
            "low": ("worst_ratio_difference_low", "figure"),
            "high": ("worst_ratio_difference_high", "figure"),
            "finding": "finding",
        },
        key=["attribute", "alternative"],
        where={"model_name": name, "run_id": last[0]["run_id"]},
    )
    head = ["attribute", "alternative", "finding", "AUC", "minus selected", "KS", "Brier", "approved"]
    head += ["worst-off", "to best-off", "minus selected's, 95%"]
    return Section(
        f"{name}: less discriminatory alternatives",
        f"{name}-alternatives",
        [
            Text(
                [
                    f"Candidates of the training of {last[0]['as_of_date']}, all at the approval rate of the selected "
                    "one. The table is evidence for a reviewer and chooses no model. Source: ",
                    node("fct_fairness_alternatives"),
                    "; the model: ",
                    Link(name, path(name)),
                    ".",
                ]
            ),
            Table(head, [_alternative(row) for row in found], (3, 4, 5, 6, 7, 9, 10)),
        ],
    )


def _alternative(row: dict) -> list[object]:
    """An alternative as a table row. The ratio is empty if the attribute has no two groups to compare."""
    figures = [row[column] for column in ("finding", "auc", "auc_difference", "ks", "brier", "approval_rate")]
    compared = [row["worst_group"], row["worst_ratio"], [row["low"], " to ", row["high"]]]
    named = [row["alternative"], " (", row["role"], ")"]
    return [row["attribute"], named, *figures, *(compared if row["worst_ratio"].value is not None else [None] * 3)]
