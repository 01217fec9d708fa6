"""How well the model ranks and fits on cases that no fit has seen, beside its benchmark and the other candidates."""

import numpy as np
from nightbook.modelling import metrics

from docsite import plots
from docsite.blocks import Image, Missing, Section, Table, Text, node
from docsite.cited import Cited
from docsite.model.subject import Subject

_MEASURED = {
    "auc": "AUC",
    "gini": "Gini",
    "ks": "KS",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_in_the_large": "Mean PD minus default rate",
    "calibration_slope": "Calibration slope",
    "auc_train_minus_holdout": "AUC on train minus AUC on holdout",
    "score_psi_train_to_holdout": "PSI of the score, train to holdout",
    "auc_minus_benchmark": "AUC minus the benchmark's AUC",
    "benchmark_auc": "AUC of the logistic benchmark",
    "benchmark_ks": "KS of the logistic benchmark",
    "benchmark_brier": "Brier score of the logistic benchmark",
    "monotonicity_violations": "Breaches of monotonicity",
    "default_rate": "Default rate",
    "mean_pd": "Mean PD",
    "holdout_rows": "Cases",
    "holdout_defaults": "Defaults",
}
_COUNTS = ("holdout_rows", "holdout_defaults", "monotonicity_violations")


def candidates(subject: Subject) -> Section:
    """What was fitted for this version, and the gate's verdicts on it."""
    fits = [
        [
            name,
            subject.of_fit(f"validation_auc_{name}", "fine"),
            subject.of_fit(f"validation_log_loss_{name}", "fine"),
            "chosen" if name == subject.version.algorithm else "",
        ]
        for name in ("boosted_trees", "random_forest")
    ]
    blocks: list[object] = [
        Text(
            [
                "Both were calibrated on validation, and the one with the higher AUC there was selected. The logistic "
                "regression is refitted as a benchmark and cannot be deployed."
            ]
        ),
        Table(["candidate", "validation AUC", "validation log loss", ""], fits, (1, 2)),
        *_verdicts(subject),
    ]
    return Section("Candidates compared, and the gate", "candidates", blocks)


def _verdicts(subject: Subject) -> list[object]:
    found = subject.reading.cited(
        "training.fct_gate_decisions",
        {
            "verdict": "verdict",
            "severity": "severity",
            "measured": ("measured", "any"),
            "champion": ("champion_value", "any"),
            "comparison": "comparison",
            "threshold": "threshold",
            "reason": "reason",
        },
        key=["run_id", "rule"],
        where={"model_name": subject.name, "mlflow_run_id": subject.model.mlflow_run_id},
        order="decided_at, run_id, rule",
    )
    if not found:
        return [Missing("This warehouse has no gate verdicts on this version: it was trained elsewhere.")]
    # A training repeated on the same data judges the same candidate again. The first verdicts are those that admitted
    # it.
    first = [row for row in found if row["run_id"].value == found[0]["run_id"].value]
    head = ["rule", "verdict", "severity", "figure", "bar", "champion then", "in words"]
    rows = [
        [
            row["rule"],
            row["verdict"],
            row["severity"],
            row["measured"],
            [row["comparison"], " ", row["threshold"]],
            row["champion"],
            row["reason"],
        ]
        for row in first
    ]
    return [
        Text(["Gate verdicts on this version (", node("fct_gate_decisions"), "):"]),
        Table(head, rows, (3, 4, 5)),
    ]


def holdout(subject: Subject) -> Section:
    """Figures with 95 % intervals, ROC and KS."""
    side = subject.stands_in
    prefix = "" if side == "candidate" else "champion_"
    columns = {"value": (f"{prefix}value", "fine"), "low": (f"{prefix}low", "fine"), "high": (f"{prefix}high", "fine")}
    found = subject.reading.cited(
        "training.gate_measurements", columns, key=["metric"], where={"model_name": subject.name}
    )
    figures = {row["metric"].value: row for row in found if row["value"].value is not None} if side else {}
    if not figures or subject.holdout is None:
        return Section(
            "Holdout results",
            "holdout",
            [
                Missing(
                    "This version became champion after the last training, so it has not scored that training's "
                    "holdout. See its gate verdicts above. The next training measures it again."
                )
            ],
        )
    rows = [
        [
            title,
            figures[name]["value"].shown_as("any" if name in _COUNTS else "fine"),
            figures[name]["low"],
            figures[name]["high"],
        ]
        for name, title in _MEASURED.items()
        if name in figures
    ]
    seen = subject.holdout
    pds = {"champion": seen.pd, "logistic benchmark": seen.benchmark_pd}
    return Section(
        "Holdout results",
        "holdout",
        [
            Text(
                [
                    "Out of time, with 95% intervals (DeLong for AUC and Gini, otherwise bootstrap). Source: ",
                    node("gate_measurements"),
                    "."
                    if side == "candidate"
                    else ": this version as champion, next to the last training's candidate.",
                ]
            ),
            Table(["figure", "value", "from", "to"], rows, (1, 2, 3)),
            Image(
                f"{subject.name}_roc.svg",
                plots.roc(seen.label, pds),
                f"ROC curve on {seen.label.size:,} holdout cases, {int(seen.label.sum()):,} of them defaults.",
            ),
            Image(
                f"{subject.name}_ks.svg",
                plots.ks(seen.label, seen.pd),
                "Cumulative distributions of goods and defaults over the PD; the KS is their largest gap.",
            ),
        ],
    )


def calibration(subject: Subject) -> Section:
    """Default rate against mean PD by grade, on the holdout. Matured cohorts are on the monitoring page."""
    seen = subject.holdout
    if seen is None:
        return Section("Calibration by grade", "calibration", [Missing("No holdout of this version: see above.")])
    bands = subject.reading.query("select risk_grade, pd_from, pd_to from reference.score_bands order by pd_from")
    rows, points = [], []
    for band in bands:
        inside = (seen.pd >= float(band["pd_from"])) & (seen.pd < float(band["pd_to"]))
        cases, defaults = int(inside.sum()), int(seen.label[inside].sum())
        if not cases:
            continue
        [low], [high] = metrics.jeffreys_interval(np.array([defaults]), np.array([cases]))
        [p_value] = metrics.jeffreys_p_value(
            np.array([defaults]), np.array([cases]), np.array([seen.pd[inside].mean()])
        )
        origin = f"computed: holdout_scores of {subject.name}, {subject.stands_in}_pd in grade {band['risk_grade']}: "
        values = {
            "cases": cases,
            "defaults": defaults,
            "mean PD": float(seen.pd[inside].mean()),
            "default rate": defaults / cases,
            "Jeffreys low": float(low),
            "Jeffreys high": float(high),
            "Jeffreys p-value": float(p_value),
        }
        forms = ("count", "count", "rate", "rate", "rate", "rate", "figure")
        rows.append(
            [
                band["risk_grade"],
                *(Cited(value, origin + name, form) for (name, value), form in zip(values.items(), forms, strict=True)),
            ]
        )
        points.append((band["risk_grade"], values["mean PD"], values["default rate"], float(low), float(high)))
    names, *arrays = zip(*points, strict=True)
    head = ["grade", "cases", "defaults", "mean PD", "default rate", "from", "to", "p-value"]
    return Section(
        "Calibration by grade",
        "calibration",
        [
            Image(
                f"{subject.name}_calibration.svg",
                plots.calibration(names, *map(np.array, arrays)),
                "Default rate of each grade on the holdout, with its 95% Jeffreys interval, against the grade's mean "
                "PD.",
            ),
            Table(head, rows, tuple(range(1, 8))),
            Text(
                [
                    "The p-value is small where more cases defaulted than the PD allows for by chance. Outcomes of "
                    "published scores are in ",
                    node("fct_calibration"),
                    ".",
                ]
            ),
        ],
    )


def distribution(subject: Subject) -> Section:
    """Scores of goods and defaults on the holdout, and scores of the last night."""
    samples = {}
    if subject.holdout is not None:
        points = _points(subject, subject.holdout.pd)
        for name, is_it in (
            ("holdout, goods", subject.holdout.label == 0),
            ("holdout, defaults", subject.holdout.label == 1),
        ):
            samples[name] = (points[is_it], np.ones(int(is_it.sum())))
    night = subject.reading.last_night()
    relation = f"marts.fct_{subject.kind}_scores"
    grades: list[list[object]] = []
    if night and subject.kind and subject.reading.has(relation):
        where = subject.of_last_night
        found = subject.reading.query(
            f"select score, count(*) as cases from {relation} where as_of_date = ? and model_name = ?"
            " and model_version = ? group by score",
            list(where.values()),
        )
        if found:
            samples[f"night of {night['as_of_date']}"] = (
                np.array([row["score"] for row in found], float),
                np.array([row["cases"] for row in found], float),
            )
        grades = [
            [row["risk_grade"], row["cases"], row["pd"], row["low"], row["high"]]
            for row in subject.reading.cited(
                relation,
                {
                    "cases": ("count(*)", "count"),
                    "pd": ("avg(pd)", "rate"),
                    "low": ("min(score)", "count"),
                    "high": ("max(score)", "count"),
                },
                key=["risk_grade"],
                where=where,
            )
        ]
    if not samples:
        return Section(
            "Score distribution", "distribution", [Missing("No night has been scored, and there is no holdout.")]
        )
    blocks: list[object] = [
        Image(
            f"{subject.name}_scores.svg",
            plots.distribution(samples),
            "Share of the cases in each band of 20 points: goods and defaults of the holdout, and the last night.",
        ),
    ]
    if grades:
        blocks.append(Text([f"The night of {night['as_of_date']} (", node(relation.partition(".")[2]), "):"]))
        blocks.append(Table(["grade", "cases", "mean PD", "lowest score", "highest score"], grades, (1, 2, 3, 4)))
    return Section("Score distribution", "distribution", blocks)


def _points(subject: Subject, pd: np.ndarray) -> np.ndarray:
    """PDs as score points, by the policy in force, as macro scaled_score computes them."""
    [policy] = subject.reading.query(
        "select score_offset, score_odds, score_points_to_double from intermediate.int_policy"
    )
    inner = np.clip(pd, 1e-6, 1 - 1e-6)
    doubled = np.log((1 - inner) / inner / policy["score_odds"]) / np.log(2)
    return np.round(policy["score_offset"] + policy["score_points_to_double"] * doubled)
