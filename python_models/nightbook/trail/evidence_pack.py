"""An explanation as a file that opens offline. The same explanation always gives the same bytes."""

import contextlib
import hashlib
import io
import json
import zipfile
from pathlib import Path

from nightbook.errors import NightbookError
from nightbook.shown import html as escape
from nightbook.trail import explanation_text, svg

# The earliest time that a zip file can hold. The bytes must not depend on when the pack was made.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_PLOTTED = 15


def write(explained: dict, path: Path) -> str:
    """Write the pack of an explanation: explanation.html, explanation.json, and SHA256SUMS of the two.

    Args:
        explained: what `explanation.explain` returned.
        path: the file to write.

    Returns:
        SHA-256 of the file.

    Raises:
        NightbookError: the file cannot be written.
    """
    files = {
        "explanation.json": json.dumps(explained, indent=2).encode(),
        "explanation.html": page(explained).encode(),
    }
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files["SHA256SUMS"] = sums.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    # The rename makes the file appear whole or not at all.
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(packed.getvalue())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise NightbookError(f"{path}: {error.strerror}: name a file that can be written") from error
    return hashlib.sha256(packed.getvalue()).hexdigest()


def page(explained: dict) -> str:
    """The explanation as one HTML page with the plot inside."""
    title = f"{explained['kind']} {explained['key']} as of {explained['as_of_date']}"
    inputs = [
        [row["feature"], explanation_text.value(row["value"]), f"{row['contribution']:+.6f}", row["description"],
         row["source"], explanation_text.place(row["defined_in"]), (row["defined_in"] or {}).get("git_commit")]
        for row in explained["inputs"]
    ]  # fmt: skip
    raw = "".join(_rows(name, rows) for name, rows in explained["raw"].items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{svg.STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<ul class="tree">{_tree(explanation_text.of_score(explained))}</ul>
<h2>Contributions of the inputs</h2>
{plot(explained)}
{_table(["input", "value", "contribution", "meaning", "source", "defined in", "last change"], inputs)}
<h2>Landed rows behind the score</h2>
{raw}
</body></html>
"""


def plot(explained: dict) -> str:
    """The strongest contributions as a bar chart, an SVG element. The same explanation gives the same bytes."""
    strongest = [row for row in explained["inputs"] if row["contribution"]][:_PLOTTED][::-1]
    with svg.drawn(9, 0.8 + 0.32 * len(strongest)) as picture:
        axes = picture.figure.subplots()
        # Colour-blind readers can distinguish blue and orange. In print, the side of the axis shows it.
        axes.barh(
            [f"{row['feature']} = {explanation_text.value(row['value'])}" for row in strongest],
            [row["contribution"] for row in strongest],
            color=[svg.ORANGE if row["contribution"] > 0 else svg.BLUE for row in strongest],
        )
        axes.axvline(0, color=svg.BLACK, linewidth=0.8)
        axes.set_xlabel("contribution to the log odds of default (right of zero: raises the PD)")
        axes.spines[["top", "right", "left"]].set_visible(False)
    return picture.svg


def _tree(branch: explanation_text.Branch) -> str:
    line, twigs = branch
    under = f"<ul>{''.join(map(_tree, twigs))}</ul>" if twigs else ""
    return f"<li>{escape(line)}{under}</li>"


def _rows(name: str, rows: list[dict]) -> str:
    if not rows:
        return f"<p>{escape(name)}: no rows</p>"
    table = _table(list(rows[0]), [list(row.values()) for row in rows])
    return f"<details><summary>{escape(name)}: {len(rows)} rows</summary>{table}</details>"


def _table(head: list[str], rows: list[list]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape('' if value is None else value)}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{heads}</tr>{body}</table>"
