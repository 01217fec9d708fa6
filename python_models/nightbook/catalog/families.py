"""Which relation makes which feature, and where it is written. Read from the SQL that names them."""

import re
from pathlib import Path

from jinja2 import Environment

_MACROS = Path("macros/features")
_POPULATIONS = Path("macros/populations")
# Relation -> files that name its features. The names of behaviour features are made by a macro.
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
# Parts of windows, as window_stat computes them.
_PARTS = {
    "count": "months in which the measure is known",
    "sum": "sum of the measure",
    "max": "highest value of the measure",
    "min": "lowest value of the measure",
    "sum_xx": "sum of the squared measure",
    "sum_t": "sum of t over the months observed. Here t is minus the months ago",
    "sum_tt": "sum of t squared over the months observed. Here t is minus the months ago",
    "sum_xt": "sum of the measure times t. Here t is minus the months ago",
    "since": "fewest months ago with the measure above zero",
}


def named(relation: str, root: Path) -> set[str]:
    """Every alias in the SQL of a family. Its features are among them."""
    if relation == "feat_account_behaviour":
        return _aliases(_behaviour(root))
    text = "".join((root / path).read_text(encoding="utf-8") for path in NAMED_IN[relation])
    return set(re.findall(r"\bas (\w+)", text))


def places(relation: str, root: Path) -> dict[str, tuple[Path, int]]:
    """Name -> file and line, counted from one, where it is written. A family's features are among the names."""
    if relation == "feat_account_behaviour":
        file = _MACROS / "behaviour_features.sql"
        return {name: (file, line) for name, line in _lines_of_behaviour(root).items()}
    found: dict[str, tuple[Path, int]] = {}
    # The first file is the family's own and decides: its alias for a column of the macro is the feature.
    for file in reversed(NAMED_IN[relation]):
        for number, line in enumerate((root / file).read_text(encoding="utf-8").splitlines(), start=1):
            found |= dict.fromkeys(re.findall(r"\bas (\w+)", line), (file, number))
    return found


def files(relation: str, root: Path) -> list[Path]:
    """Files with a family's SQL, down to the feature macros that it calls."""
    made_in: dict[str, Path] = {}
    for file in sorted([*(root / _MACROS).glob("*.sql"), *(root / _POPULATIONS).glob("*.sql")]):
        made_in |= dict.fromkeys(re.findall(r"\bmacro (?:default__)?(\w+)\(", file.read_text(encoding="utf-8")), file)
    [model] = (root / "models" / "features").rglob(f"{relation}.sql")
    found, waiting = set(), [model]
    while waiting:
        if (file := waiting.pop()) not in found:
            found.add(file)
            called = re.findall(r"\b(\w+)\(", file.read_text(encoding="utf-8"))
            waiting += [made_in[name] for name in called if name in made_in]
    return sorted(file.relative_to(root) for file in found)


def closed_parts(root: Path) -> dict[str, str]:
    """Column of int_closed_windows -> what it holds, for every part of a window that can cover closed months."""
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
    """The columns of behaviour_features, rendered by the project's macros. Only the SQL around names is left out."""
    return _rendered("{{ behaviour_features() }}", root)


def _lines_of_behaviour(root: Path) -> dict[str, int]:
    """Feature -> line of behaviour_features.sql with its statistic, in the call that names its measure."""
    text = (root / _MACROS / "behaviour_features.sql").read_text(encoding="utf-8")
    calls = list(re.finditer(r"\{\{ window_stats?\(.*?\}\}(?: as \w+)?", text, re.DOTALL))
    written = _rendered("\0".join(call[0] for call in calls), root).split("\0")
    found = {}
    for call, sql in zip(calls, written, strict=True):
        for name in _aliases(sql):
            statistic = call[0].find(f"'{name.rpartition('_')[2]}':")
            found[name] = text.count("\n", 0, call.start() + max(statistic, 0)) + 1
    return found


def _aliases(sql: str) -> set[str]:
    return set(re.findall(r"\bas (\w+)\s*(?:,|$)", sql, re.MULTILINE))


def _rendered(call: str, root: Path) -> str:
    macros = ("window_stat", "over_months", "behaviour_features")
    text = "".join((root / _MACROS / f"{name}.sql").read_text(encoding="utf-8") for name in macros)
    environment = Environment(extensions=["jinja2.ext.do"])  # noqa: S701 - SQL of our own, no HTML
    template = environment.from_string(text + call)
    return template.render(rounded=lambda number, places: number, at_least=lambda number, least: number)
