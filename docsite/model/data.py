"""The training data: cases by cohort and split, landed sources, and every input with its direction."""

from docsite.blocks import Missing, Section, Table, Text, node
from docsite.cited import Cited
from docsite.model.subject import Subject

_DIRECTIONS = {"1": "rises", "-1": "falls", "0": "free"}
_SHOWN = 20


def section(subject: Subject) -> Section:
    """Training, validation and holdout cases."""
    splits = [
        [split, subject.of_fit(f"{split}_rows"), subject.of_fit(f"{split}_defaults"), _rate(subject, split)]
        for split in ("train", "validation", "holdout")
    ]
    blocks: list[object] = [
        Table(["split", "cases", "defaults", "default rate"], splits, (1, 2, 3)),
        Text(
            [
                "No person is on two sides of a split. The holdout is later than the rest, and no fit used it: ",
                node("holdout_scores"),
                ".",
            ]
        ),
    ]
    if not subject.has_its_training_set:
        blocks.append(Missing("The training set of this version is not in this warehouse. Its digest is above."))
    else:
        cohorts = (
            subject.reading.cited(
                subject.training_set,
                {
                    "cases": ("count(*)", "count"),
                    "defaults": ("sum(is_default)", "count"),
                    "rate": ("avg(is_default)", "rate"),
                },
                key=["as_of_date", "split"],
            )
            if subject.kind == "account"
            else []
        )
        if cohorts:
            rows = [[row["as_of_date"], row["split"], row["cases"], row["defaults"], row["rate"]] for row in cohorts]
            blocks.append(
                Table(["cohort", "split", "cases", "defaults", "default rate"], rows, (2, 3, 4), "Cases by cohort")
            )
    return Section("Data", "data", blocks)


def inputs(subject: Subject) -> Section:
    """Inputs with source, window, direction and reason text. With a champion, the strongest come first."""
    rows = subject.catalog
    read = [name for name, row in rows.items() if str(row["in_model"]) in ("yes", "true")]
    names = (
        sorted(subject.model.features, key=lambda name: (-subject.gain.get(name, 0.0), name)) if subject.model else read
    )
    directions = (
        dict(zip(subject.model.features, subject.model.metadata["monotone"], strict=True)) if subject.model else {}
    )
    found = [_input(subject, name, directions) for name in names]
    left_out = sorted(set(rows) - set(read))
    head = [
        "input",
        "meaning",
        "source",
        "months",
        "as it rises, the PD",
        "reason given to an applicant",
        "part of gain",
    ]
    count: object = f"{len(names)}"
    if subject.model:
        count = Cited(
            len(names), f"mlflow:/runs/{subject.model.mlflow_run_id}/artifacts/nightbook.json#features", "count"
        )
    blocks: list[object] = [
        Text(
            [
                count,
                " inputs, defined once, in ",
                *([node(subject.scoring_model.features)] if subject.scoring_model else ["a former relation"]),
                ", and listed in ",
                node("feature_catalog", kind="seed"),
                ".",
            ]
        ),
        Table(head, found[:_SHOWN], (3, 6)),
    ]
    if found[_SHOWN:]:
        blocks.append(Table(head, found[_SHOWN:], (3, 6), f"The other {len(found) - _SHOWN} inputs"))
    if left_out:
        blocks.append(Text([f"Computed, but not used by the model: {', '.join(left_out)}."]))
    return Section("Inputs", "inputs", blocks)


def gain(subject: Subject, name: str) -> Cited:
    """An input's share of the model's gain."""
    return Cited(
        subject.gain.get(name, 0.0),
        f"computed: total_gain of {name} in models:/{subject.name}@champion, of all inputs'",
        "rate",
    )


def _input(subject: Subject, name: str, directions: dict[str, int]) -> list[object]:
    row = subject.catalog.get(name, {"description": "no longer in the catalog"})
    direction = directions.get(name, row.get("monotone_direction"))
    return [
        name,
        row["description"],
        row.get("source"),
        row.get("window_months"),
        _DIRECTIONS.get(str(direction)),
        row.get("reason_text"),
        gain(subject, name) if subject.model else None,
    ]


def _rate(subject: Subject, split: str) -> Cited:
    rows, defaults = (subject.of_fit(f"{split}_{what}") for what in ("rows", "defaults"))
    value = defaults.value / rows.value if rows.value else None
    return Cited(value, f"computed: {defaults.source} / {rows.source}", "rate")
