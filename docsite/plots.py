"""Plots of a model: arrays in, an SVG element out. Colours and line styles are distinct in grey too."""

from collections.abc import Mapping, Sequence

import numpy as np
from nightbook.trail.svg import BLACK, BLUE, GREEN, ORANGE, drawn

WIDTH = 7.2
STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, ":"), (BLACK, "-."))
# A curve of a hundred thousand cases needs no more points than the eye can see.
_CORNERS = 400


def roc(label: np.ndarray, pds: Mapping[str, np.ndarray]) -> str:
    """Share of defaults found against share of goods refused, one curve per name. label and pds have shape (n,)."""
    with drawn(5.2, 5.0) as picture:
        axes = picture.figure.subplots()
        for (name, pd), (colour, style) in zip(pds.items(), STYLES, strict=False):
            found, refused = _cumulative(label, pd)
            axes.plot(refused, found, color=colour, linestyle=style, label=name)
        axes.plot([0, 1], [0, 1], color="#999", linewidth=0.8, label="chance")
        axes.set(xlabel="goods above the cut-off (share of all goods)", xlim=(0, 1), ylim=(0, 1))
        axes.set_ylabel("defaults above the cut-off (share of all defaults)")
        axes.legend(loc="lower right", frameon=False)
        bare(axes)
    return picture.svg


def ks(label: np.ndarray, pd: np.ndarray) -> str:
    """Cumulative shares of both classes over the PD, and the largest gap between them."""
    order = np.argsort(pd, kind="stable")
    values, defaults = pd[order], label[order].astype(float)
    of_defaults, of_goods = np.cumsum(defaults) / defaults.sum(), np.cumsum(1 - defaults) / (1 - defaults).sum()
    # The curves have no points within a tie.
    last = np.append(values[1:] != values[:-1], True)
    values, of_defaults, of_goods = values[last], of_defaults[last], of_goods[last]
    widest = int(np.argmax(np.abs(of_goods - of_defaults)))
    some = _thinned(len(values), widest)
    with drawn(WIDTH, 4.2) as picture:
        axes = picture.figure.subplots()
        axes.plot(100 * values[some], of_goods[some], color=BLUE, label="goods")
        axes.plot(100 * values[some], of_defaults[some], color=ORANGE, linestyle="--", label="defaults")
        at, gap = 100 * values[widest], of_goods[widest] - of_defaults[widest]
        label = f"KS {gap:.3f}, at a PD of {at:.2f}%"
        axes.plot([at, at], [of_defaults[widest], of_goods[widest]], color=BLACK, linewidth=2, label=label)
        axes.set(xscale="log", xlabel="PD up to (%, log scale)", ylabel="share of the class", ylim=(0, 1))
        axes.legend(loc="upper left", frameon=False)
        _plain_logs(axes.xaxis)
        bare(axes)
    return picture.svg


def calibration(grades: Sequence[str], pd: np.ndarray, rate: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """Default rate of each grade with its interval against its mean PD, both as shares; shape (grades,)."""
    with drawn(WIDTH, 4.6) as picture:
        axes = picture.figure.subplots()
        least = max(min(pd.min(), low[low > 0].min(initial=1.0)) * 0.6, 1e-5)
        ends = np.array([least, 1.0])
        axes.plot(100 * ends, 100 * ends, color="#777", linewidth=0.9, label="rate equals PD")
        shown = np.maximum(rate, least)
        spread = np.vstack([shown - np.maximum(low, least), np.maximum(high - shown, 0)])
        axes.errorbar(
            100 * pd, 100 * shown, yerr=100 * spread, fmt="o", color=BLUE, capsize=3, label="observed, 95% interval"
        )
        for name, x, y in zip(grades, pd, shown, strict=True):
            axes.annotate(name, (100 * x, 100 * y), xytext=(7, -11), textcoords="offset points", fontweight="bold")
        axes.set(xscale="log", yscale="log", xlabel="mean PD of the grade (%, log scale)")
        axes.set(ylabel="default rate (%, log scale)", xlim=100 * ends, ylim=100 * ends)
        axes.legend(loc="upper left", frameon=False)
        _plain_logs(axes.xaxis, axes.yaxis)
        bare(axes)
    return picture.svg


def distribution(samples: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Shares of cases over the score, one outline per name. Each sample is (score in points, cases)."""
    scores = np.concatenate([score for score, _ in samples.values()])
    edges = np.arange(np.floor(scores.min() / 20) * 20, np.ceil(scores.max() / 20) * 20 + 21, 20)
    with drawn(WIDTH, 3.8) as picture:
        axes = picture.figure.subplots()
        for (name, (score, cases)), (colour, style) in zip(samples.items(), STYLES, strict=False):
            counts, _ = np.histogram(score, edges, weights=cases)
            axes.stairs(100 * counts / counts.sum(), edges, color=colour, linestyle=style, linewidth=1.6, label=name)
        axes.set(xlabel="score (points; higher is safer)", ylabel="share of the cases (%)")
        axes.legend(loc="upper left", frameon=False)
        bare(axes)
    return picture.svg


def bars(names: Sequence[str], values: Sequence[float], unit: str) -> str:
    """One horizontal bar per name, the first on top."""
    with drawn(WIDTH, 0.8 + 0.27 * len(names)) as picture:
        axes = picture.figure.subplots()
        axes.barh(list(names)[::-1], list(values)[::-1], color=BLUE)
        axes.set_xlabel(unit)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:g}")
        bare(axes)
    return picture.svg


def contributions(names: Sequence[str], parts: np.ndarray, values: np.ndarray) -> str:
    """A dot per case and input: its contribution to the log odds, coloured by the input's value.

    Args:
        names: inputs, the strongest first.
        parts, values: contributions and inputs (NaN for missing); shape (cases, inputs).
    """
    with drawn(WIDTH, 0.9 + 0.33 * len(names)) as picture:
        axes = picture.figure.subplots()
        heights = np.random.default_rng(1).uniform(-0.32, 0.32, len(parts))
        for place, (x, value) in enumerate(zip(parts.T, values.T, strict=True)):
            is_known = ~np.isnan(value)
            ranks = np.argsort(np.argsort(value[is_known], kind="stable"), kind="stable") / max(is_known.sum() - 1, 1)
            y = len(names) - 1 - place + heights
            axes.scatter(x[~is_known], y[~is_known], s=3, color="#bbb", rasterized=True)
            dots = axes.scatter(x[is_known], y[is_known], s=3, c=ranks, cmap="cividis", vmin=0, vmax=1, rasterized=True)
        axes.axvline(0, color=BLACK, linewidth=0.8)
        axes.set_yticks(range(len(names)), list(names)[::-1])
        axes.set_xlabel("contribution to the log odds of default (right of zero: raises the PD)")
        bar = picture.figure.colorbar(dots, ax=axes, ticks=[0, 1], pad=0.01, aspect=40)
        bar.ax.set_yticklabels(["lowest", "highest"], rotation=90, va="center")
        bar.set_label("value of the input (grey: none)")
        bare(axes)
    return picture.svg


def dependence(curves: Mapping[str, tuple[np.ndarray, np.ndarray, str]]) -> str:
    """Mean PD over an input's value, all else equal: a small plot per input of (values, PDs as shares, direction)."""
    columns = 3
    lines = -(-len(curves) // columns)
    with drawn(8.4, 2.1 * lines + 0.3) as picture:
        grid = picture.figure.subplots(lines, columns, squeeze=False, sharey=True)
        for axes, (name, (values, pds, direction)) in zip(grid.flat, curves.items(), strict=False):
            axes.plot(values, 100 * pds, color=BLUE, marker="o", markersize=2.5)
            axes.set_title(name, fontsize=8.5)
            axes.text(0.03, 0.93, direction, transform=axes.transAxes, fontsize=8, va="top", color="#555")
            axes.tick_params(labelsize=8)
            axes.locator_params(axis="x", nbins=4)
            bare(axes)
        for axes in grid.flat[len(curves) :]:
            axes.set_axis_off()
        picture.figure.supylabel("mean PD (%)", fontsize=9)
        picture.figure.supxlabel("value of the input", fontsize=9)
    return picture.svg


def segments(names: Sequence[str], pd: np.ndarray, rate: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """Default rate with its interval beside the mean PD, as shares, per segment."""
    with drawn(max(WIDTH * 0.6, 1.6 + 0.42 * len(names)), 3.4) as picture:
        axes = picture.figure.subplots()
        places = np.arange(len(names))
        axes.errorbar(
            places,
            100 * rate,
            yerr=100 * np.vstack([rate - low, high - rate]).clip(0),
            fmt="o",
            color=BLUE,
            capsize=3,
            label="default rate, 95% interval",
        )
        axes.plot(
            places,
            100 * pd,
            linestyle="none",
            marker="_",
            markersize=16,
            markeredgewidth=2.5,
            color=ORANGE,
            label="mean PD",
        )
        axes.set_xticks(places, names, rotation=45 if len(names) > 5 else 0, ha="right" if len(names) > 5 else "center")
        axes.set_ylabel("share of the cases (%)")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.08)
        axes.legend(frameon=False)
        bare(axes)
    return picture.svg


def ratios(
    names: Sequence[str], value: np.ndarray, low: np.ndarray, high: np.ndarray, marks: Mapping[str, float]
) -> str:
    """A ratio with its interval per name, one below the other, and marks such as a limit; shape (names,)."""
    with drawn(WIDTH, 1.0 + 0.24 * len(names)) as picture:
        axes = picture.figure.subplots()
        places = np.arange(len(names))[::-1]
        axes.errorbar(
            value,
            places,
            xerr=np.vstack([value - low, high - value]).clip(0),
            fmt="o",
            color=BLUE,
            capsize=2,
            markersize=4,
        )
        for name, at in marks.items():
            axes.axvline(at, color="#777", linewidth=0.9, linestyle=(0, (4, 3)))
            axes.annotate(name, (at, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8)
        axes.set_yticks(places, list(names), fontsize=8)
        axes.set_xlabel("approval rate over the reference group's")
        bare(axes)
    return picture.svg


def _cumulative(label: np.ndarray, pd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-pd, kind="stable")
    values, defaults = pd[order], label[order].astype(float)
    last = np.append(values[1:] != values[:-1], True)
    found = np.concatenate([[0], (np.cumsum(defaults) / defaults.sum())[last]])
    refused = np.concatenate([[0], (np.cumsum(1 - defaults) / (1 - defaults).sum())[last]])
    some = _thinned(len(found))
    return found[some], refused[some]


def _thinned(count: int, *kept: int) -> np.ndarray:
    return np.unique(np.concatenate([np.linspace(0, count - 1, min(count, _CORNERS)).astype(int), np.array(kept, int)]))


def _plain_logs(*of_axes) -> None:
    """Show percentages as plain numbers instead of powers of ten."""
    for axis in of_axes:
        axis.set_major_formatter(lambda value, _: f"{value:g}")


def bare(axes) -> None:
    """Remove the top and the right axis line, which carry no information."""
    axes.spines[["top", "right"]].set_visible(False)
