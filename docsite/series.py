"""Plots over time: matrices and values by night as SVG elements, in the colours of `plots`."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from nightbook.trail.svg import BLACK, ORANGE, SKY, drawn

from docsite.plots import STYLES, WIDTH, bare

# (night, value, low, high). Without an interval, low and high are None.
Point = tuple[date, float, float | None, float | None]
# From this many rows on, a scale beside the cells is worth its space. The cells show the numbers anyway.
_ROWS_WITH_SCALE = 5
_TICKS = 8


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    *,
    unit: str,
    form: str,
    most: float,
    across: str,
    down: str,
) -> str:
    """A matrix of cells with their numbers. NaN stays empty. `most`: the value of the darkest colour."""
    is_slanted = len(columns) > 9 or max(map(len, columns)) > 6
    with drawn(min(11.0, 4.0 + 0.62 * len(columns)), 1.3 + 0.27 * len(rows)) as picture:
        axes = picture.figure.subplots()
        # From light to dark, so that the order is visible in grey.
        image = axes.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=most, aspect="auto")
        for row, line in enumerate(values):
            for column, value in enumerate(line):
                if not np.isnan(value):
                    colour = "white" if value > 0.6 * most else BLACK
                    axes.text(column, row, form.format(value), ha="center", va="center", fontsize=7.5, color=colour)
        axes.set_xticks(range(len(columns)), columns, fontsize=8)
        if is_slanted:
            axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
        axes.set_yticks(range(len(rows)), rows, fontsize=8)
        axes.set(xlabel=across, ylabel=down)
        if len(rows) >= _ROWS_WITH_SCALE:
            picture.figure.colorbar(image, ax=axes, label=unit, pad=0.02, aspect=30)
        axes.spines[:].set_visible(False)
    return picture.svg


def over_time(lines: Mapping[str, Sequence[Point]], unit: str, marks: Mapping[str, float]) -> str:
    """A value over nights with its interval, one line per name, and horizontal marks such as thresholds."""
    with drawn(WIDTH, 3.4) as picture:
        axes = picture.figure.subplots()
        for (name, points), (colour, style) in zip(lines.items(), STYLES, strict=False):
            nights, values = [point[0] for point in points], [point[1] for point in points]
            axes.plot(nights, values, color=colour, linestyle=style, marker="o", markersize=4, label=name)
            for night, _, low, high in points:
                if low is not None and high is not None:
                    axes.plot([night, night], [low, high], color=colour, linewidth=0.9)
        for name, value in marks.items():
            axes.axhline(value, color="#777", linewidth=0.9, linestyle=(0, (4, 3)))
            axes.annotate(name, (0.995, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8)
        days = sorted({point[0] for points in lines.values() for point in points})
        shown = days[:: -(-len(days) // _TICKS)]
        axes.set_xticks(shown, [str(day) for day in shown], rotation=30, ha="right", fontsize=8)
        axes.set(xlabel="night", ylabel=unit)
        axes.margins(y=0.15)
        axes.legend(frameon=False)
        bare(axes)
    return picture.svg


def stacked(columns: Sequence[str], parts: Mapping[str, Sequence[float]], unit: str, across: str) -> str:
    """A bar per column, its parts on top of one another."""
    hatches = ("", "///", "")
    with drawn(max(4.6, 2.6 + 0.75 * len(columns)), 3.4) as picture:
        axes = picture.figure.subplots()
        below = np.zeros(len(columns))
        for (name, values), colour, hatch in zip(parts.items(), (SKY, ORANGE, BLACK), hatches, strict=False):
            axes.bar(columns, values, bottom=below, color=colour, hatch=hatch, edgecolor="white", width=0.6, label=name)
            below += np.asarray(values, dtype=float)
        axes.set(xlabel=across, ylabel=unit, xlim=(-0.8, len(columns) - 0.2))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        if len(columns) > 4:
            axes.tick_params(axis="x", rotation=30)
        # Beside the bars, because they may fill the plot.
        picture.figure.legend(loc="outside right center", frameon=False, reverse=True)
        bare(axes)
    return picture.svg
