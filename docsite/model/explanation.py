"""What drives the model: inputs by weight, contributions by case, the shape of each effect, and its direction."""

import numpy as np
import xgboost as xgb
from nightbook.scoring import inference

from docsite import plots
from docsite.blocks import Image, Missing, Section, Table, Text, node
from docsite.cited import Cited
from docsite.model.data import gain
from docsite.model.subject import SAMPLE, Subject

_LEADING, _SWEPT, _SWEPT_CASES = 15, 9, 300
_DIRECTIONS = {1: "may only rise", -1: "may only fall", 0: "free"}


def importance(subject: Subject) -> Section:
    """Gain by input, and a summary of contributions over a sample of the holdout."""
    leading = list(subject.gain)[:_LEADING]
    blocks: list[object] = [
        Image(
            f"{subject.name}_importance.svg",
            plots.bars(
                leading, [100 * subject.gain[name] for name in leading], "part of the loss that all splits reduced (%)"
            ),
            f"The {len(leading)} inputs with the largest part of the gain.",
        ),
    ]
    if subject.sample is None:
        return _section(blocks + [Missing("The training set is not in this warehouse: no contributions can be shown.")])
    parts = _contributions(subject)
    mean = np.abs(parts[:, :-1]).mean(axis=0)
    order = np.lexsort((np.array(subject.model.features), -mean))[:_LEADING]
    names = [subject.model.features[place] for place in order]
    origin = (
        f"computed: contributions of the champion to {len(parts)} holdout cases of {subject.training_set}, by md5: "
    )
    rows = [
        [
            name,
            subject.catalog.get(name, {}).get("reason_text"),
            gain(subject, name),
            Cited(float(mean[place]), origin + f"mean size of {name}", "fine"),
            Cited(float((parts[:, place] > 0).mean()), origin + f"share of {name} above zero", "rate"),
        ]
        for name, place in zip(names, order, strict=True)
    ]
    head = ["input", "reason", "part of gain", "mean size of the contribution (log odds)", "cases whose PD it raises"]
    return _section(
        [
            *blocks,
            Image(
                f"{subject.name}_contributions.svg",
                plots.contributions(names, parts[:, order], subject.sample[:, order]),
                f"Exact tree contributions to {len(parts):,} holdout scores; one dot per case.",
            ),
            Table(head, rows, (2, 3, 4)),
            Text(
                [
                    "Contributions and the base value add up to the log odds of a score. For one case, see ",
                    "`orchestrate.py explain`; for every application, see ",
                    node("fct_application_contributions"),
                    ".",
                ]
            ),
        ]
    )


def dependence(subject: Subject) -> Section:
    """Mean PD while one leading input varies, all else equal."""
    if subject.sample is None:
        return Section("Partial dependence", "dependence", [Missing("The training set is not in this warehouse.")])
    curves = {}
    cases = subject.sample[:_SWEPT_CASES]
    for name in list(subject.gain)[:_SWEPT]:
        place = subject.model.features.index(name)
        values = _grid(subject.sample[:, place])
        swept = np.repeat(cases[None], len(values), axis=0)
        swept[:, :, place] = values[:, None]
        pds = inference.predict_pd(subject.booster, swept.reshape(-1, cases.shape[1])).reshape(len(values), -1)
        curves[name] = (values, pds.mean(axis=1), _DIRECTIONS[subject.model.metadata["monotone"][place]])
    return Section(
        "Partial dependence of the leading inputs",
        "dependence",
        [
            Image(
                f"{subject.name}_dependence.svg",
                plots.dependence(curves),
                f"Mean PD of {len(cases)} holdout cases with one input set to values that occur and all others as "
                "they are. Some combinations may occur in no real case.",
            ),
        ],
    )


def monotonicity(subject: Subject) -> Section:
    """How many inputs have a direction, and whether the fitted model respects it."""
    directions = subject.model.metadata["monotone"]
    found = subject.reading.cited(
        "training.fct_gate_decisions",
        {"measured": ("measured", "any"), "verdict": "verdict", "reason": "reason"},
        key=["run_id", "rule"],
        where={"model_name": subject.name, "mlflow_run_id": subject.model.mlflow_run_id, "rule": "monotonicity"},
    )
    source = f"mlflow:/runs/{subject.model.mlflow_run_id}/artifacts/nightbook.json#monotone"
    counts = [
        [title, Cited(sum(one == direction for one in directions), source, "count")]
        for direction, title in ((1, "PD may only rise with the input"), (-1, "PD may only fall"), (0, "free"))
    ]
    blocks: list[object] = [Table(["direction", "inputs"], counts, (1,))]
    for row in found[:1]:
        blocks.append(
            Text(
                [
                    "Every constrained input was swept over sampled cases by the gate. Breaches: ",
                    row["measured"],
                    ". ",
                    row["reason"],
                ]
            )
        )
    return Section("Monotonicity", "monotonicity", blocks)


def _grid(values: np.ndarray) -> np.ndarray:
    """Observed values, ascending: dense where cases are, and evenly spaced out to the rare ones; float32."""
    known = np.sort(values[~np.isnan(values)])
    if not known.size:
        return np.zeros(1, dtype=np.float32)
    steps = np.linspace(0, 1, 10)
    even = known[0] + steps * (np.quantile(known, 0.995) - known[0])
    nearest = known[np.searchsorted(known, even).clip(0, known.size - 1)]
    return np.unique(np.concatenate([np.quantile(known, steps * 0.995, method="nearest"), nearest]))


def _contributions(subject: Subject) -> np.ndarray:
    """Contributions of every input and, last, of the base value, in log odds; shape (cases, inputs + 1)."""
    cases = xgb.DMatrix(subject.sample[:SAMPLE], feature_names=list(subject.model.features))
    return subject.booster.predict(cases, pred_contribs=True)


def _section(blocks: list[object]) -> Section:
    return Section("Importance and contributions", "importance", blocks)
