"""Whether the population still resembles the training population, and how the model's scores turned out."""

from docsite.blocks import Link, Missing, Section, Table, Text, node
from docsite.model.subject import Subject

_SHOWN = 10


def section(subject: Subject) -> Section:
    """The last night: PSI of the score and of the most drifted inputs, and performance compared with approval."""
    night = subject.reading.last_night()
    where = subject.of_last_night
    score = (
        subject.reading.cited(
            "monitoring.fct_score_drift",
            {
                "psi": ("psi", "fine"),
                "month": ("psi_since_month_end", "fine"),
                "status": "status",
                "cases": ("case_count", "count"),
            },
            key=["band"],
            where=where,
        )[:1]
        if night
        else []
    )
    if not score:
        return Section("Stability", "stability", [Missing("No night has been scored with this version yet.")])
    moved = subject.reading.cited(
        "monitoring.fct_feature_psi",
        {
            "value": ("value", "fine"),
            "month": ("value_since_month_end", "fine"),
            "gain": ("gain_share", "rate"),
            "status": "status",
        },
        key=["feature"],
        where=where,
        order="value desc, feature",
    )[:_SHOWN]
    performance = subject.reading.cited(
        "monitoring.fct_model_performance",
        {
            "value": ("value", "fine"),
            "low": ("low", "fine"),
            "high": ("high", "fine"),
            "then": ("approval_value", "fine"),
            "status": "status",
        },
        key=["basis", "cohort_date", "metric"],
        where=where,
    )
    [drift] = score
    return Section(
        "Stability",
        "stability",
        [
            Text(
                [
                    f"Night of {night['as_of_date']}: PSI of the score against training ",
                    drift["psi"],
                    " (",
                    drift["status"],
                    ") over ",
                    drift["cases"],
                    " cases; against the month-end before ",
                    drift["month"]
                    if drift["month"].value is not None
                    else "nothing, because this version did not score it",
                    ". Over time: ",
                    Link("monitoring", "monitoring.html"),
                    "; formulas: ",
                    node("fct_feature_psi"),
                    ".",
                ]
            ),
            Table(
                ["input, most drifted first", "PSI", "since month-end", "part of gain", "status"],
                [[row["feature"], row["value"], row["month"], row["gain"], row["status"]] for row in moved],
                (1, 2, 3),
            ),
            Table(
                ["basis", "cohort", "metric", "value", "from", "to", "at approval", "status"],
                [
                    [
                        row["basis"],
                        row["cohort_date"],
                        row["metric"],
                        row["value"],
                        row["low"],
                        row["high"],
                        row["then"],
                        row["status"],
                    ]
                    for row in performance
                ],
                (3, 4, 5, 6),
            ),
        ],
    )
