"""Expected credit loss by stage, product and grade and over time, with its parameters."""

from collections import defaultdict
from collections.abc import Iterator

from docsite import plots, policy, series
from docsite.blocks import Image, Missing, Page, Prose, Section, Table, Text, node
from docsite.cited import Cited
from docsite.reading import Reading

ORDER = 30
_NIGHTS = 13
_PARAMETERS = (
    "lgd_personal_loan",
    "lgd_credit_line",
    "ccf_credit_line",
    "credit_line_life_months",
    "sicr_days_past_due",
    "sicr_pd",
)
_SUMS = {
    "accounts": ("count(*)", "count"),
    "ead": ("cast(sum(ead) as decimal(38, 2))", "money"),
    "expected_loss": ("cast(sum(expected_loss) as decimal(38, 2))", "money"),
}
_HEAD = ["accounts", "exposure at default", "expected loss", "coverage"]


def pages(reading: Reading) -> Iterator[Page]:
    """One page."""
    night = reading.last_night()
    if not night or not reading.has("marts.fct_provisions"):
        sections = [Section("Provisions", "provisions", [Missing("No night has been scored yet.")])]
    else:
        sections = [_now(reading, night), _by(reading, night, "product"), _time(reading), _parameters(reading)]
    yield Page(
        "provisions.html",
        "provisions",
        "Provisions",
        "Expected credit loss under IFRS 9 of every open account, accounts in default included.",
        sections,
    )


def _now(reading: Reading, night: dict) -> Section:
    where = {"as_of_date": night["as_of_date"]}
    stages = reading.cited(
        "marts.fct_provisions", _SUMS | {"pd": ("avg(pd)", "rate")}, key=["ifrs9_stage"], where=where
    )
    [total] = reading.cited("marts.fct_provisions", _SUMS, where=where)
    rows = [[f"stage {row['ifrs9_stage']}", *_sums(row)] for row in stages]
    return Section(
        f"Night of {night['as_of_date']}",
        "night",
        [
            Prose(reading.docs_block("expected_loss") or ""),
            Table(["stage", *_HEAD], [*rows, ["all", *_sums(total)]], (1, 2, 3, 4)),
            Image(
                "provisions_by_stage.svg",
                plots.bars(
                    [f"stage {row['ifrs9_stage']}" for row in stages],
                    [float(row["expected_loss"].value) for row in stages],
                    "expected loss (currency units)",
                ),
                f"Expected loss by IFRS 9 stage on {night['as_of_date']}.",
            ),
            Text(
                [
                    "Coverage is expected loss over exposure. Account by account: ",
                    node("fct_provisions"),
                    "; used by ",
                    node("provisions_dashboard", "the provisions dashboard", "exposure"),
                    ".",
                ]
            ),
        ],
    )


def _by(reading: Reading, night: dict, column: str) -> Section:
    found = reading.cited(
        "marts.fct_provisions", _SUMS, key=[column, "ifrs9_stage"], where={"as_of_date": night["as_of_date"]}
    )
    rows = [[row[column], row["ifrs9_stage"], *_sums(row)] for row in found]
    return Section(f"By {column}", column, [Table([column, "stage", *_HEAD], rows, (1, 2, 3, 4, 5))])


def _time(reading: Reading) -> Section:
    found = reading.cited("marts.fct_provisions", _SUMS, key=["as_of_date", "ifrs9_stage"])
    nights = sorted({row["as_of_date"].value for row in found})[-_NIGHTS:]
    parts = defaultdict(lambda: [0.0] * len(nights))
    for row in found:
        if row["as_of_date"].value in nights:
            parts[f"stage {row['ifrs9_stage']}"][nights.index(row["as_of_date"].value)] = float(
                row["expected_loss"].value
            )
    rows = [[row["as_of_date"], row["ifrs9_stage"], *_sums(row)] for row in reversed(found)]
    return Section(
        "Over time",
        "time",
        [
            Image(
                "provisions_over_time.svg",
                series.stacked(
                    [str(night) for night in nights],
                    dict(sorted(parts.items())),
                    "expected loss (currency units)",
                    "night",
                ),
                "Expected loss by stage, night by night.",
            ),
            Table(["night", "stage", *_HEAD], rows, (1, 2, 3, 4, 5), f"{len(rows)} figures"),
        ],
    )


def _parameters(reading: Reading) -> Section:
    return Section("Parameters", "parameters", policy.facts(reading, _PARAMETERS))


def _sums(row: dict[str, Cited]) -> list[Cited | None]:
    ead, loss = row["ead"].value, row["expected_loss"].value
    coverage = (
        Cited(float(loss / ead), f"computed: ({row['expected_loss'].source}) / ({row['ead'].source})", "rate")
        if ead
        else None
    )
    return [row["accounts"], row["ead"], row["expected_loss"], coverage]
