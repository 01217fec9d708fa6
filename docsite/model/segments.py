"""Results by segment on the holdout: where the model ranks or fits worse than on the whole."""

from collections import defaultdict

import numpy as np
from nightbook.modelling import metrics

from docsite import plots
from docsite.blocks import Image, Missing, Section, Table, Text
from docsite.cited import Cited
from docsite.model.subject import Subject

# With fewer cases of a class, an AUC says nothing.
_LEAST = 20
_MOST = 30
_OF = {"vintage": ", when the account was opened or the application made"}
# Forms of a vintage, the finest first.
_YEAR = "{:%Y}".format
_VINTAGES = {
    "account": (lambda day: f"{day.year} Q{(day.month + 2) // 3}", _YEAR),
    "application": ("{:%Y-%m}".format, _YEAR),
}
_CUSTOMERS = """
    select customer_id, state from staging.stg_customer_versions
    qualify row_number() over (partition by customer_id order by _loaded_at desc, _load_id desc) = 1
"""


def section(subject: Subject) -> Section:
    """Product, state and vintage."""
    seen = subject.holdout
    if seen is None or subject.kind not in _VINTAGES or not subject.reading.has(subject.training_set):
        return Section("Results by segment", "segments", [Missing("No holdout of this version in this warehouse.")])
    found = {(row["entity_id"], row["as_of_date"]): row for row in _cases(subject)}
    blocks: list[object] = [
        Text(
            [
                f"Holdout cases. AUC with its 95% DeLong interval, where there are at least {_LEAST} defaults and "
                "goods; default rate with its Jeffreys interval. Judge a small segment by its interval."
            ]
        ),
    ]
    for name in ("product", "state", "vintage"):
        groups = _grouped(seen.keys, found, name, subject.kind)
        groups, joined = _joined(groups)
        rows, points = [], []
        for group in sorted(groups):
            row, point = _measured(subject, name, group, np.array(groups[group]))
            rows.append(row)
            points.append(point)
        names, *arrays = zip(*points, strict=True)
        blocks += [
            Image(
                f"{subject.name}_by_{name}.svg",
                plots.segments(names, *map(np.array, arrays)),
                f"Default rate and mean PD on the holdout by {name}{_OF.get(name, '')}.",
            ),
            Table(
                [name, "cases", "defaults", "default rate", "from", "to", "mean PD", "AUC", "from", "to"],
                rows,
                tuple(range(1, 10)),
            ),
        ]
        if joined:
            blocks.append(Text([f"{joined} smaller segments are counted together as others."]))
    return Section("Results by segment", "segments", blocks)


def _cases(subject: Subject) -> list[dict]:
    """Holdout cases with product, began_on and state. Terms are as known on the date, the state as last known."""
    if subject.kind == "application":
        return subject.reading.query(f"""
            select cases.entity_id, cases.as_of_date, terms.product, terms.applied_on as began_on, customers.state
            from {subject.training_set} as cases
            left join staging.stg_applications as terms on cases.entity_id = terms.application_id
            left join ({_CUSTOMERS}) as customers on cases.customer_id = customers.customer_id
            where cases.split = 'holdout'
        """)
    return subject.reading.query(f"""
        select cases.entity_id, cases.as_of_date, terms.product, terms.opened_on as began_on, customers.state
        from {subject.training_set} as cases
        left join intermediate.int_account_terms as terms
            on
                cases.entity_id = terms.account_id
                and terms.known_from <= cases.as_of_date
                and terms.known_before > cases.as_of_date
        left join ({_CUSTOMERS}) as customers on cases.customer_id = customers.customer_id
        where cases.split = 'holdout'
    """)


def _grouped(keys: list[tuple], found: dict[tuple, dict], name: str, kind: str) -> dict[str, list[int]]:
    """Segment -> positions of its cases. Vintages are by year if there would otherwise be too many."""
    for form in _VINTAGES[kind] if name == "vintage" else (None,):
        groups = defaultdict(list)
        for place, key in enumerate(keys):
            row = found.get(key, {})
            value = row.get("began_on" if form else name)
            groups["not known" if value is None else form(value) if form else value].append(place)
        if len(groups) <= _MOST:
            break
    return dict(groups)


def _joined(groups: dict[str, list[int]]) -> tuple[dict[str, list[int]], int]:
    """The largest segments, with the rest merged into one. Returns also how many were merged."""
    if len(groups) <= _MOST:
        return dict(groups), 0
    order = sorted(groups, key=lambda name: (-len(groups[name]), name))
    rest = [place for name in order[_MOST - 1 :] for place in groups[name]]
    return {name: groups[name] for name in order[: _MOST - 1]} | {"others": rest}, len(order) - _MOST + 1


def _measured(subject: Subject, by: str, group: str, places: np.ndarray) -> tuple[list[object], tuple]:
    label, pd = subject.holdout.label[places], subject.holdout.pd[places]
    cases, defaults = len(places), int(label.sum())
    [low], [high] = metrics.jeffreys_interval(np.array([defaults]), np.array([cases]))
    origin = f"computed: holdout_scores of {subject.name}, {subject.stands_in}_pd where {by} is {group}: "
    area: list[object] = [None, None, None]
    if min(defaults, cases - defaults) >= _LEAST:
        interval = metrics.auc_interval(label, pd)
        area = [
            Cited(value, origin + f"AUC {what}", "figure")
            for what, value in (("value", interval.value), ("low", interval.low), ("high", interval.high))
        ]
    values = [
        Cited(cases, origin + "cases", "count"),
        Cited(defaults, origin + "defaults", "count"),
        Cited(defaults / cases, origin + "default rate", "rate"),
        Cited(float(low), origin + "Jeffreys low", "rate"),
        Cited(float(high), origin + "Jeffreys high", "rate"),
        Cited(float(pd.mean()), origin + "mean PD", "rate"),
    ]
    return [group, *values, *area], (group, float(pd.mean()), defaults / cases, float(low), float(high))
