"""Drift, migration and performance over all nights, and the findings in the last night's input."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from docsite import series
from docsite.blocks import Image, Missing, Page, Prose, Section, Table, Text, node
from docsite.reading import Reading

ORDER = 20
# What fits into a picture: the latest nights, one per date; inputs with the most gain, and those that drifted most.
_NIGHTS, _INPUTS = 13, 24
_WARN, _ALERT = 0.1, 0.25
_GRADES = "ABCDEFGH"


def pages(reading: Reading) -> Iterator[Page]:
    """One page for all models."""
    names = reading.model_names()
    sections = [
        section
        for name in names
        for section in (_drift(reading, name), _performance(reading, name), _calibration(reading, name))
    ]
    yield Page(
        "monitoring.html",
        "monitoring",
        "Monitoring",
        "Whether tonight's population is the one that each model learned from, who moved between grades, and the "
        "outcomes of the scores.",
        [_input(reading), *sections, _migration(reading)],
    )


def _drift(reading: Reading, name: str) -> Section:
    title, anchor = f"{name}: drift", f"{name}-drift"
    if not reading.has("monitoring.fct_feature_psi"):
        return Section(title, anchor, [Missing("No night has been scored yet: `python orchestrate.py score`.")])
    found = reading.query(
        "select feature, as_of_date, value, gain_share, status from monitoring.fct_feature_psi where model_name = ?"
        " order by as_of_date, feature",
        [name],
    )
    if not found:
        return Section(title, anchor, [Missing(f"No night has been scored with {name} yet.")])
    nights = sorted({row["as_of_date"] for row in found})[-_NIGHTS:]
    values = {(row["feature"], row["as_of_date"]): row["value"] for row in found}
    last = [row for row in found if row["as_of_date"] == nights[-1]]
    by_gain = sorted(last, key=lambda row: (-(row["gain_share"] or 0), row["feature"]))[: _INPUTS // 2]
    by_drift = sorted(last, key=lambda row: (-row["value"], row["feature"]))
    chosen = list(dict.fromkeys([row["feature"] for row in by_gain + by_drift]))[:_INPUTS]
    matrix = np.array([[values.get((feature, night), np.nan) for night in nights] for feature in chosen])
    score = reading.query(
        "select as_of_date, max(psi) as psi, max(psi_since_month_end) as since from monitoring.fct_score_drift"
        " where model_name = ? group by as_of_date order by as_of_date",
        [name],
    )
    lines = {"against training": [(row["as_of_date"], row["psi"], None, None) for row in score]}
    since = [(row["as_of_date"], row["since"], None, None) for row in score if row["since"] is not None]
    table = reading.cited(
        "monitoring.fct_feature_psi",
        {
            "value": ("value", "fine"),
            "since": ("value_since_month_end", "fine"),
            "gain": ("gain_share", "rate"),
            "warn": "warn_at",
            "alert": "alert_at",
            "status": "status",
        },
        key=["feature"],
        where={"model_name": name, "as_of_date": nights[-1]},
        order="value desc, feature",
    )
    rows = [
        [row[column] for column in ("feature", "value", "since", "gain", "warn", "alert", "status")] for row in table
    ]
    head = ["input", "PSI", "since month-end", "part of gain", "warn at", "alert at", "status"]
    in_state = {state: sum(row["status"] == state for row in last) for state in ("alert", "warn", "ok")}
    return Section(
        title,
        anchor,
        [
            Text(
                [
                    f"Night of {nights[-1]}: {in_state['alert']} inputs in alert, {in_state['warn']} in warn, "
                    f"{in_state['ok']} ok. Source: ",
                    node("fct_feature_psi"),
                    ", ",
                    node("fct_score_drift"),
                    ".",
                ]
            ),
            Prose(reading.docs_block("psi") or ""),
            Image(
                f"{name}_psi.svg",
                series.heat(
                    chosen,
                    [str(night) for night in nights],
                    matrix,
                    unit="PSI against training",
                    form="{:.2f}",
                    most=2 * _ALERT,
                    across="night",
                    down="",
                ),
                f"PSI of the {len(chosen)} inputs of {name} with the most gain or drift, over {len(nights)} nights; "
                f"the middle of the scale is the customary alert, {_ALERT}.",
            ),
            Image(
                f"{name}_score_psi.svg",
                series.over_time(
                    lines | ({"against the month-end before": since} if since else {}),
                    "PSI of the score",
                    {"warn": _WARN, "alert": _ALERT},
                ),
                f"PSI of the score of {name}.",
            ),
            Table(head, rows, (1, 2, 3, 4, 5), f"All {len(rows)} inputs on {nights[-1]}"),
        ],
    )


def _performance(reading: Reading, name: str) -> Section:
    title, anchor = f"{name}: expected and matured performance", f"{name}-performance"
    found = reading.cited(
        "monitoring.fct_model_performance",
        {
            "value": ("value", "fine"),
            "low": ("low", "fine"),
            "high": ("high", "fine"),
            "then": ("approval_value", "fine"),
            "worse": ("deterioration", "fine"),
            "cases": ("case_count", "count"),
            "status": "status",
        },
        key=["metric", "basis", "cohort_date", "as_of_date"],
        where={"model_name": name},
        order="cohort_date desc, basis, metric, as_of_date desc",
    )
    if not found:
        return Section(title, anchor, [Missing(f"No night has been scored with {name} yet.")])
    # Of a cohort that was measured again, the last measurement counts.
    latest = {}
    for row in found:
        latest.setdefault((row["metric"].value, row["basis"].value, row["cohort_date"].value), row)
    blocks: list[object] = [Prose(reading.docs_block("expected_performance") or "")]
    lines = defaultdict(list)
    for (metric, basis, cohort), row in sorted(latest.items()):
        if metric == "auc":
            lines[{"expected": "expected, from PDs", "realised": "realised, from outcomes"}[basis]].append(
                (cohort, row["value"].value, row["low"].value, row["high"].value)
            )
    approval = next((row["then"].value for row in found if row["metric"].value == "auc" and row["then"].value), None)
    if lines:
        blocks.append(
            Image(
                f"{name}_performance.svg",
                series.over_time(lines, "AUC", {"at approval": approval} if approval else {}),
                f"AUC of {name} by the night that scored: expected figures and realised outcomes.",
            )
        )
    if not any(basis == "realised" for _, basis, _ in latest):
        blocks.append(
            Missing(
                "No scored cohort has matured yet: realised figures exist once a whole outcome window after a "
                "scored month-end has been observed."
            )
        )
    rows = [
        [
            row[column]
            for column in ("cohort_date", "basis", "metric", "value", "low", "high", "then", "worse", "cases", "status")
        ]
        for row in latest.values()
    ]
    head = ["scored on", "basis", "metric", "value", "from", "to", "at approval", "worse by", "cases", "status"]
    shown = 8
    blocks.append(Table(head, rows[:shown], tuple(range(3, 9))))
    if rows[shown:]:
        blocks.append(Table(head, rows[shown:], tuple(range(3, 9)), f"{len(rows) - shown} earlier figures"))
    return Section(title, anchor, blocks)


def _calibration(reading: Reading, name: str) -> Section:
    title, anchor = f"{name}: calibration of matured cohorts", f"{name}-calibration"
    found = reading.cited(
        "monitoring.fct_calibration",
        {
            "cases": ("case_count", "count"),
            "defaults": ("default_count", "count"),
            "pd": ("mean_pd", "rate"),
            "rate": ("default_rate", "rate"),
            "low": ("low", "rate"),
            "high": ("high", "rate"),
            "p": ("p_value", "figure"),
            "light": "traffic_light",
        },
        key=["cohort_date", "risk_grade", "as_of_date"],
        where={"model_name": name},
        order="cohort_date desc, risk_grade, as_of_date desc",
    )
    latest = {}
    for row in found:
        latest.setdefault((row["cohort_date"].value, row["risk_grade"].value), row)
    if not latest:
        return Section(title, anchor, [Missing("No scored cohort has matured yet.")])
    rows = [
        [
            row[column]
            for column in ("cohort_date", "risk_grade", "cases", "defaults", "pd", "rate", "low", "high", "p", "light")
        ]
        for row in latest.values()
    ]
    head = ["scored on", "grade", "cases", "defaults", "mean PD", "default rate", "from", "to", "p-value", "light"]
    return Section(
        title,
        anchor,
        [
            Prose(reading.docs_block("jeffreys_test") or ""),
            Table(head, rows, tuple(range(2, 9))),
        ],
    )


def _migration(reading: Reading) -> Section:
    title, anchor = "Migration between grades", "migration"
    if not reading.has("monitoring.fct_grade_migration"):
        return Section(title, anchor, [Missing("No night has been scored yet.")])
    blocks: list[object] = []
    for name in reading.model_names():
        last = reading.query(
            "select as_of_date, month_end from monitoring.fct_grade_migration where model_name = ?"
            " order by as_of_date desc limit 1",
            [name],
        )
        if not last:
            continue
        [night] = last
        cells = reading.cited(
            "monitoring.fct_grade_migration",
            {"accounts": ("accounts", "count"), "value": ("value", "rate")},
            key=["grade_before", "grade"],
            where={"model_name": name, "as_of_date": night["as_of_date"]},
        )
        before = sorted({row["grade_before"].value for row in cells}, key=_place)
        after = sorted({row["grade"].value for row in cells}, key=_place)
        of = {(row["grade_before"].value, row["grade"].value): row for row in cells}
        if night["month_end"] is None:
            blocks.append(
                Missing(
                    f"{name}: no month-end before {night['as_of_date']} was scored, so every account is new; the row "
                    "is the distribution over grades."
                )
            )
        matrix = np.array(
            [[float(of[old, new]["value"].value) if (old, new) in of else np.nan for new in after] for old in before]
        )
        since = night["month_end"] or "no month-end"
        title = f"{name}: where the accounts of each grade of {since} are on {night['as_of_date']}"
        blocks.append(
            Image(
                f"{name}_migration.svg",
                series.heat(
                    before,
                    after,
                    100 * matrix,
                    unit="share of the grade before (%)",
                    form="{:.1f}",
                    most=100,
                    across="grade tonight",
                    down="grade before",
                ),
                f"{title}; rows add up to 100%.",
            )
        )
        blocks.append(
            Table(
                ["before", *after],
                [[old, *(of[old, new]["accounts"] if (old, new) in of else None for new in after)] for old in before],
                tuple(range(1, len(after) + 1)),
                "Accounts",
            )
        )
    return Section(title, anchor, blocks or [Missing("No book has been scored yet.")])


def _input(reading: Reading) -> Section:
    title, anchor = "Input of the last night", "input"
    night = reading.last_night()
    if not night or not reading.has("inputs.fct_input_checks"):
        return Section(title, anchor, [Missing("No night has been scored yet.")])
    where = {"run_id": night["run_id"]}
    counts = reading.cited("inputs.fct_input_checks", {"checks": ("count(*)", "count")}, key=["status"], where=where)
    beside = reading.cited(
        "inputs.fct_input_checks",
        {"message": "message", "overridden_by": "overridden_by", "reason": "override_reason"},
        key=["status", "rule", "table_name", "column_name"],
        where=where,
    )
    parts = [part for row in counts for part in (row["checks"], " ", row["status"], ", ")][:-1]
    blocks: list[object] = [
        Text(
            [
                f"Night of {night['as_of_date']}, rules about landed rows: ",
                *parts,
                ". Source: ",
                node("fct_input_checks"),
                ".",
            ]
        )
    ]
    rows = [
        [row[column] for column in ("rule", "status", "message", "overridden_by", "reason")]
        for row in beside
        if row["status"].value != "ok"
    ]
    if rows:
        blocks.append(Table(["rule", "status", "in words", "overridden by", "because"], rows))
    return Section(title, anchor, blocks)


def _place(grade: str) -> tuple[bool, str]:
    """Sorts grades in their order. Accounts that came or left are last."""
    return (grade not in _GRADES, grade)
