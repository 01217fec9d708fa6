"""The results of every measured size, as data and as a table for readers."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "results.json"
TABLE = HERE / "RESULTS.md"
VERSIONS = ("dbt-core", "dbt-duckdb", "duckdb", "xgboost-cpu", "pyarrow", "polars", "pandas")

_HEAD = """\
# What a night costs

Written by `make benchmark ACCOUNTS=N`, which lands a synthetic lender with N accounts on its book (24 month-ends of
servicing, a ledger of about one payment per account and month, bureau files, 9,000 applications a night), trains both
models on a sample of each cohort, approves them, and scores two consecutive nights through `orchestrate.py`. The floor
and the peers then compute only the second night's account features and scores, from the same Parquet files. Each runs
in its own process, with two threads like the night. No test asserts these figures. Ratios compare figures of one run.

The second night is an ordinary one: the day before has been scored, and a snapshot, the day's payments and corrections
of closed months have landed. The first night costs more, as does the first night of every month: it computes what the
closed months contribute to the windows, which the other nights of the month read. The weekly run is the first on the
warehouse, so it builds all kept history from scratch.
"""
# The file is hand-written from here on, and a benchmark does not change that part.
_BY_HAND = "\n## Measured when deciding\n"


def add(measured: dict) -> None:
    """Replace one size's results and write the table again. Each file is replaced whole."""
    found = json.loads(DATA.read_text()) if DATA.exists() else []
    found = [one for one in found if one["accounts"] != measured["accounts"]] + [measured]
    found.sort(key=lambda one: one["accounts"])
    written = _HEAD + "\n" + table(found) + _by_hand()
    _replace(DATA, json.dumps(found, indent=1) + "\n")
    _replace(TABLE, written)


def _by_hand() -> str:
    _, heading, rest = (TABLE.read_text(encoding="utf-8") if TABLE.exists() else "").partition(_BY_HAND)
    return heading + rest


def table(found: Iterable[dict]) -> str:
    """The results of some sizes as Markdown."""
    found = list(found)
    rows = [
        ("accounts on the book", lambda one: f"{one['accounts']:,}"),
        ("accounts scored", lambda one: f"{one['accounts_scored']:,}"),
        ("servicing rows, payments", lambda one: f"{one['servicing_rows']:,}, {one['payments']:,}"),
        ("**second night, s**", lambda one: f"**{_seconds(one, 'second night'):.0f}**"),
        ("accounts a second", lambda one: f"{one['accounts_scored'] / _seconds(one, 'second night'):,.0f}"),
        ("microseconds an account", lambda one: f"{1e6 * _seconds(one, 'second night') / one['accounts_scored']:.1f}"),
        ("peak memory of its largest process, GiB", lambda one: _gib(one["steps"]["second night"]["peak_bytes"])),
        ("floor, s (GiB)", lambda one: _other(one, "floor")),
        ("Polars, s (GiB)", lambda one: _other(one, "polars")),
        ("pandas, s (GiB)", lambda one: _other(one, "pandas")),
        ("night / floor", lambda one: _ratio(_seconds(one, "second night"), one, "floor")),
        ("Polars / night", lambda one: _ratio(None, one, "polars")),
        ("pandas / night", lambda one: _ratio(None, one, "pandas")),
        ("same pd as the floor, bit for bit", lambda one: f"{one['others']['floor']['equal']:,}"),
        ("tests in the night", lambda one: f"{one['night']['tests']}"),
        ("tests, s of node time (share of all)", _tests),
        ("input gates and monitors, s of node time (to all else)", _monitoring),
        ("first night, s (GiB)", lambda one: _step(one, "first night")),
        ("weekly run, s (GiB)", lambda one: _step(one, "weekly run")),
        ("account-cohorts trained on", lambda one: f"{one['account_cohorts']:,}"),
        ("landing, s", lambda one: f"{_seconds(one, 'landing'):.0f}"),
        ("landing, warehouse, GB", lambda one: " / ".join(f"{size / 1e9:.1f}" for size in one["bytes"].values())),
        ("processor", lambda one: one["machine"]["cpu"].replace("(R)", "")),
        ("date, commit", lambda one: f"{one['date']}, {one['commit']}"),
    ]
    lines = _grid([[name, *(say(one) for one in found)] for name, say in rows])
    layers = sorted({layer for one in found for layer in one["night"]["layers"]})
    spent = [["layer", *(f"{one['accounts']:,}" for one in found)]] + [
        [layer, *(f"{one['night']['layers'].get(layer, 0):.1f}" for one in found)] for layer in layers
    ]
    slowest = found[-1]["night"]["slowest"]
    return (
        f"{lines}\n## Where the second night goes\n\nSeconds of node time by layer; two nodes run at a time, so they "
        f"add up to more than the night.\n\n{_grid(spent)}\nThe longest nodes at {found[-1]['accounts']:,} accounts: "
        + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in slowest.items())
        + f".\n\n## Measured on\n\n{_machines(found)}\n"
    )


def _seconds(one: dict, step: str) -> float:
    return one["steps"][step]["seconds"]


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f}"


def _step(one: dict, step: str) -> str:
    return f"{_seconds(one, step):.0f} ({_gib(one['steps'][step]['peak_bytes'])})"


def _other(one: dict, name: str) -> str:
    other = one["others"].get(name)
    if other is None:
        return "not run"
    if "does_not_fit" in other:
        return f"needs {other['does_not_fit'] / 1e9:.0f} GB"
    if "failed" in other:
        return "failed"
    return f"{other['seconds']:.0f} ({_gib(other['peak_bytes'])})"


def _ratio(night: float | None, one: dict, name: str) -> str:
    """The night's seconds over another program's, or the inverse if `night` is None."""
    seconds = one["others"].get(name, {}).get("seconds")
    if seconds is None:
        return ""
    return f"{night / seconds:.2f}" if night else f"{seconds / _seconds(one, 'second night'):.2f}"


def _tests(one: dict) -> str:
    layers = one["night"]["layers"]
    return f"{layers['tests']:.1f} ({layers['tests'] / sum(layers.values()):.0%})"


def _monitoring(one: dict) -> str:
    """Input gates and monitors, without their tests. Empty for a night from before there were input gates."""
    layers = one["night"]["layers"]
    if "inputs" not in layers:
        return ""
    spent = layers["inputs"] + layers["monitoring"]
    return f"{spent:.1f} ({spent / (sum(layers.values()) - spent):.0%})"


def _machines(found: list[dict]) -> str:
    lines = []
    for one in found:
        machine = one["machine"]
        line = (
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
            f"{machine['system']}, Python {machine['python']}, "
            + ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        )
        if line not in lines:
            lines.append(line)
    return "\n".join(f"- {line}" for line in lines)


def _grid(rows: list[list[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *body)) + "\n"


def _replace(path: Path, text: str) -> None:
    whole = path.with_suffix(path.suffix + ".new")
    whole.write_text(text, encoding="utf-8")
    os.replace(whole, path)
