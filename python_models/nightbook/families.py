"""Which relation makes which feature, read off the SQL that names them, for the YAML that documents their columns."""

import re
from pathlib import Path

from jinja2 import Environment

_MACROS = Path("macros/features")
_POPULATIONS = Path("macros/populations")
# Relation -> where its features are named; behaviour's names are made by a macro.
NAMED_IN = {
    "feat_account_bureau": (_POPULATIONS / "account_bureau.sql", _MACROS / "bureau_features.sql"),
    "feat_account_exposure": (_POPULATIONS / "account_exposure.sql", _MACROS / "exposure_features.sql"),
    "feat_account_tenure": (_POPULATIONS / "account_tenure.sql",),
    "feat_application_bureau": (_POPULATIONS / "application_bureau.sql", _MACROS / "bureau_features.sql"),
    "feat_application_relationship": (
        _POPULATIONS / "application_relationship.sql",
        _MACROS / "exposure_features.sql",
    ),
    "feat_application_request": (_POPULATIONS / "application_request.sql",),
}
# What window_stat calls; how a number is rounded does not matter to the names of columns.
_PARTS = {
    "count": "months in which the measure is known",
    "sum": "sum of the measure",
    "max": "highest value of the measure",
    "min": "lowest value of the measure",
    "sum_xx": "sum of the squared measure",
    "sum_t": "sum of t, minus how many months ago, over the months with the measure",
    "sum_tt": "sum of the squares of t, minus how many months ago, over the months with the measure",
    "sum_xt": "sum of the measure times t, minus how many months ago",
    "since": "fewest months ago with the measure above zero",
}


def named(relation: str, root: Path) -> set[str]:
    """Every alias in the SQL of a family; features are among them."""
    if relation == "feat_account_behaviour":
        return set(re.findall(r"\bas (\w+)\s*(?:,|$)", _behaviour(root), re.MULTILINE))
    text = "".join((root / path).read_text(encoding="utf-8") for path in NAMED_IN[relation])
    return set(re.findall(r"\bas (\w+)", text))


def closed_parts(root: Path) -> dict[str, str]:
    """Column of int_closed_windows -> what it holds, for every part of a window that closed months have a say in."""
    found = sorted(set(re.findall(r"parts\.((\w+?)__(\d+)m_(\w+))", _behaviour(root))))
    return {
        name: _part(measure, int(months), part)
        for name, measure, months, part in found
        if int(months) > (0 if part == "at" else 1)
    }


def _part(measure: str, months: int, part: str) -> str:
    if part == "at":
        return f"{measure} as it was exactly {months} month{'s' if months > 1 else ''} before the as-of month."
    window = f"of the closed months 1 to {months - 1} before the as-of month" if months > 2 else "of the month before"
    return f"{measure}, {window}: {_PARTS[part]}."


def _behaviour(root: Path) -> str:
    """The columns of behaviour_features, by the project's own macros; only what they call around names is left out."""
    macros = ("window_stat", "over_months", "behaviour_features")
    text = "".join((root / _MACROS / f"{name}.sql").read_text(encoding="utf-8") for name in macros)
    environment = Environment(extensions=["jinja2.ext.do"])  # noqa: S701 - SQL of our own, no HTML
    template = environment.from_string(text + "{{ behaviour_features() }}")
    return template.render(rounded=lambda number, places: number, at_least=lambda number, least: number)
