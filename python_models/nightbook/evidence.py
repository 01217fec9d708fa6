"""An explanation as a file that opens anywhere, without a network, and is the same bytes each time it is made."""

import hashlib
import io
import json
import zipfile
from html import escape
from pathlib import Path

from nightbook.errors import NightbookError

# The earliest time that a ZIP file can hold: the pack says nothing of when it was made.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_PLOTTED = 15
_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; overflow-wrap: anywhere; }
tr { border-bottom: 1px solid #ddd; }
summary { cursor: pointer; }
svg { max-width: 100%; height: auto; }
"""


def write(told: dict, path: Path) -> str:
    """Write the pack of an explanation: explanation.html, explanation.json, and SHA256SUMS of the two.

    Returns:
        SHA-256 of the file.

    Raises:
        NightbookError: the file cannot be written.
    """
    files = {
        "explanation.json": json.dumps(told, indent=2).encode(),
        "explanation.html": page(told).encode(),
    }
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    try:
        path.write_bytes(packed.getvalue())
    except OSError as error:
        raise NightbookError(f"{path}: {error.strerror}: name a file that can be written") from error
    return hashlib.sha256(packed.getvalue()).hexdigest()


def page(told: dict) -> str:
    """The explanation as one HTML page, the plot inside it."""
    score, model, run = told["score"], told["model"], told["run"]
    title = f"{told['kind']} {told['key']} as of {told['as_of_date']}"
    facts = {
        "Score": f"{score['score']}, grade {score['risk_grade']}, PD {score['pd']:.6f}",
        "Model": f"{model['model_name']} version {model['model_version']} ({model['algorithm']})",
        "Made by": f"{model['maker']}, training run {model['trained_by_run']}, MLflow run {model['mlflow_run_id']}",
        "Approved by": f"{model['approver']}, {model['change_request']}, {model['approved_at']} UTC"
        if model["approver"]
        else "nobody before it scored: it was pinned for this date",
        "Digest of the model": model["model_digest"],
        "Digest of its training set": model["data_digest"],
        "Digest of the inputs": score["feature_digest"],
        "Run": f"{run['run_id']}, {run['started_at']} UTC, by {run['actor']}; "
        f"saw what had landed by {run['known_at']} UTC",
        "Code": f"commit {run['git_commit']}{' with changes' if run['is_dirty'] else ''}; "
        f"SQL {run['manifest_digest']}; library {run['library_digest']}; lock {run['lock_digest']}; {run['engine']}",
        "Log odds": f"{told['margin']:.6f} as stored; {told['base_value']:.6f} to start with and the contributions "
        f"of the inputs add up to {told['sum_of_contributions']:.6f}",
    }
    inputs = [
        [row["feature"], _number(row["value"]), f"{row['contribution']:+.6f}", row["description"], row["source"],
         ", ".join((row["defined_in"] or {}).get("files", [])), (row["defined_in"] or {}).get("git_commit")]
        for row in told["inputs"]
    ]  # fmt: skip
    gate = [[row["rule"], row["verdict"], row["reason"]] for row in told["gate"]]
    raw = "".join(_rows(name, rows) for name, rows in told["raw"].items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(title)}</h1>
{_table([], [[name, value] for name, value in facts.items()])}
<h2>What moved it</h2>
{plot(told)}
{_table(["input", "value", "contribution", "meaning", "source", "defined in", "last change"], inputs)}
<h2>Verdicts of the gate on this version</h2>
{_table(["rule", "verdict", "reason"], gate)}
<h2>Landed rows that it rests on</h2>
{raw}
</body></html>
"""


def plot(told: dict) -> str:
    """The strongest contributions as a bar chart, an SVG element; the same bytes for the same explanation."""
    import matplotlib
    from matplotlib.figure import Figure

    strongest = [row for row in told["inputs"] if row["contribution"]][:_PLOTTED][::-1]
    with matplotlib.rc_context({"svg.hashsalt": "nightbook", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(9, 0.8 + 0.32 * len(strongest)), layout="constrained")
        axes = figure.subplots()
        # Blue and orange are told apart by the colour-blind, and by their side of the axis in print.
        axes.barh(
            [f"{row['feature']} = {_number(row['value'])}" for row in strongest],
            [row["contribution"] for row in strongest],
            color=["#d55e00" if row["contribution"] > 0 else "#0072b2" for row in strongest],
        )
        axes.axvline(0, color="#222", linewidth=0.8)
        axes.set_xlabel("contribution to the log odds of default (right of zero: raises the PD)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def _rows(name: str, rows: list[dict]) -> str:
    if not rows:
        return f"<p>{escape(name)}: no row</p>"
    table = _table(list(rows[0]), [list(row.values()) for row in rows])
    return f"<details><summary>{escape(name)}: {len(rows)} rows</summary>{table}</details>"


def _table(head: list[str], rows: list[list]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape('' if value is None else str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table>{f'<tr>{heads}</tr>' if head else ''}{body}</table>"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
