"""Features that are a statistic of a monthly measure over a window: the rows of the catalog that name a measure.

dbt's Jinja cannot read a file, so `make catalog` writes these rows into a macro, from which the columns are made.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nightbook.errors import NightbookError

RELATION = "feat_account_behaviour"
MACRO = Path("macros/features/windows/windowed_features__generated.sql")
# Statistic -> the parts that the macro window_stat computes it from. `at` is the value of one month.
STATISTICS = {
    "avg": ("count", "sum"),
    "max": ("max",),
    "min": ("min",),
    "sum": ("sum",),
    "slope": ("count", "sum", "sum_t", "sum_tt", "sum_xt"),
    "std": ("count", "sum", "sum_xx"),
    "last": ("at",),
    "change": ("at",),
    "since": ("since",),
    "seen": ("count",),
}
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
_HEAD = """\
{# Written by `make catalog` from the feature catalog; edit the seed. #}
{% macro windowed_features() -%}
    {{ return([
"""
_FOOT = """\
    ]) }}
{%- endmacro %}
"""


@dataclass(frozen=True)
class WindowedFeature:
    """A row of the catalog that names a measure.

    parts: each part that the statistic is computed from, and its months. For `at` the months say which month it is.
    """

    name: str
    measure: str
    statistic: str
    months: int
    data_type: str

    @property
    def parts(self) -> list[tuple[str, int]]:
        if self.statistic == "last":
            return [("at", 0)]
        if self.statistic == "change":
            return [("at", 0), ("at", self.months)]
        return [(part, self.months) for part in STATISTICS[self.statistic]]

    @classmethod
    def of(cls, row: dict) -> "WindowedFeature":
        """Read it from a row of the catalog.

        Raises:
            NightbookError: a field of the row is wrong.
        """
        name, measure, statistic, months = (row[one] for one in ("name", "measure", "statistic", "window_months"))
        wrong = None
        if statistic not in STATISTICS:
            wrong = f"statistic '{statistic}' is not known; use {', '.join(STATISTICS)}"
        elif not months.isdecimal() or not 1 <= int(months) <= 24:
            wrong = f"window_months '{months}' is not a number of months from 1 to 24"
        elif row["data_type"] not in ("integer", "double"):
            wrong = f"data_type '{row['data_type']}' is neither integer nor double"
        else:
            wrong = next(
                (f"'{one}' is not a name" for one in (name, measure) if not re.fullmatch(r"[a-z]\w*", one)), None
            )
        if wrong:
            raise NightbookError(f"feature_catalog.csv, {name}: {wrong}")
        return cls(name, measure, statistic, int(months), row["data_type"])


def features(catalog: Iterable[dict]) -> list[WindowedFeature]:
    """The windowed features in the catalog's order. A feature that several models read is listed once.

    Raises:
        NightbookError: a row is wrong, or two models define one name differently.
    """
    found: dict[str, WindowedFeature] = {}
    for row in catalog:
        if row["measure"] or row["statistic"]:
            one = WindowedFeature.of(row)
            if found.setdefault(one.name, one) != one:
                raise NightbookError(f"feature_catalog.csv, {one.name}: two models define it differently")
    return list(found.values())


def macro(catalog: Iterable[dict]) -> str:
    """The macro that lists the windowed features, with the parts of each."""
    lines = [
        "        {"
        f"'name': '{one.name}', 'measure': '{one.measure}', 'statistic': '{one.statistic}', 'months': {one.months}, "
        f"'data_type': '{one.data_type}', 'parts': {json.dumps(one.parts).replace(chr(34), chr(39))}"
        "},\n"
        for one in features(catalog)
    ]
    return _HEAD + "".join(lines) + _FOOT


def closed_parts(catalog: Iterable[dict]) -> dict[str, str]:
    """Column of int_closed_windows -> what it holds, for every part of a window that can cover closed months."""
    found = {
        f"{one.measure}__{months}m_{part}": _meaning(one.measure, months, part)
        for one in features(catalog)
        for part, months in one.parts
        if months > (0 if part == "at" else 1)
    }
    return dict(sorted(found.items()))


def _meaning(measure: str, months: int, part: str) -> str:
    if part == "at":
        return f"{measure} as it was exactly {months} month{'s' if months > 1 else ''} before the as-of month."
    window = f"of the closed months 1 to {months - 1} before the as-of month" if months > 2 else "of the month before"
    return f"{measure}, {window}: {_PARTS[part]}."
