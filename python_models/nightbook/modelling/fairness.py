"""Which protected attributes reach an input, and which alternatives rank as well but treat groups more equally."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightbook.lineage import graph
from nightbook.modelling import metrics
from nightbook.modelling.metrics import Difference

SELECTED = "selected"
REPLICATES = 2000

PATH_SCHEMA = pa.schema(
    [("model_name", pa.string()), ("feature", pa.string()), ("attribute", pa.string()), ("path", pa.string())]
)

FIGURE_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("role", pa.string()),
        ("attribute", pa.string()),
        ("metric", pa.string()),
        ("group_name", pa.string()),
        ("value", pa.float64()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
    ]
)


def protected_inputs(edges: Sequence[dict], catalog: Sequence[dict], attributes: Sequence[dict]) -> list[dict]:
    """Model inputs that derive from a protected attribute, or share its name, as rows of `PATH_SCHEMA`.

    Every edge counts, whatever it does with the value. A constant that appears only in one state's rows reveals the
    state.

    Args:
        edges: rows of input_lineage of one code version.
        catalog: rows of the feature catalog; a feature that is not in_model is not an input.
        attributes: rows of protected_attributes.

    Returns:
        One row per input and attribute, with a shortest path of columns from the landed attribute.
    """
    leads_to, features = graph.steps(edges, upstream=False), graph.features()
    found = []
    for attribute in attributes:
        start = (f"raw.{attribute['landed_table']}", attribute["landed_column"], None)
        came_from = graph.reached(start, leads_to)
        ends = {node[:2]: node for node in reversed(came_from)}
        for row in catalog:
            columns: list[tuple] = [(relation, row["name"]) for relation in features.get(row["model_name"], ())]
            reached = next((one for one in columns if one in ends), None)
            is_named = row["name"] in (attribute["attribute"], attribute["landed_column"])
            if row["in_model"] and (is_named or reached):
                named = columns[:1] or [(None, row["name"])]
                path = graph.path(ends[reached], came_from) if reached else named
                found.append(
                    {
                        "model_name": row["model_name"],
                        "feature": row["name"],
                        "attribute": attribute["attribute"],
                        "path": " > ".join(f"{node[0]}.{node[1]}" for node in path),
                    }
                )
    return found


def alternatives(scores: pa.Table, counts: Sequence[dict]) -> list[dict]:
    """Performance of each alternative, and its worst approval-rate ratio by attribute, as rows of `FIGURE_SCHEMA`.

    Args:
        scores: model_name, role, is_default and pd of holdout cases. Each role of a model has the same cases in the
            same order. The others are compared with the role selected.
        counts: rows of alternative_counts, one per model, role, attribute and group.

    Returns:
        auc, ks and brier, with attribute and group_name None. worst_ratio by attribute, with the group that has it; its
        value is None if no groups can be compared. Differences are alternative minus selected, on the same cases, with
        95 % intervals, to nine places.
    """
    found = []
    for name in _distinct(scores["model_name"]):
        mine = scores.filter(pc.equal(scores["model_name"], name))
        parts = {role: mine.filter(pc.equal(mine["role"], role)) for role in _distinct(mine["role"])}
        label = parts[SELECTED]["is_default"].to_numpy()
        pd = {role: part["pd"].to_numpy() for role, part in parts.items()}
        for role, figures in _performance(label, pd).items():
            found += [_row(name, role, None, metric, None, figure) for metric, figure in figures.items()]
    for (name, role, attribute), groups in _grouped(counts).items():
        found.append(_row(name, role, attribute, "worst_ratio", *worst_ratio(groups)))
    return found


def worst_ratio(
    groups: Sequence[dict], *, replicates: int = REPLICATES, seed: int = metrics.BOOTSTRAP_SEED
) -> tuple[str | None, tuple[float, Difference] | None]:
    """The lowest approval rate of a group over the highest, and its difference from that of the selected candidate.

    The denominator is the highest rate and not the reference group's. If the reference group were approved least, a
    model that treats it even worse would look fairer. The interval is a paired bootstrap. Within each group, cases are
    resampled into approved by both, by one, or by neither. Each replicate searches again for the worst and the best
    group, on both sides.

    Args:
        groups: group_name, is_large_enough, case_count, approved_count (of the alternative), selected_count and
            both_count of one attribute.
        replicates, seed: of the bootstrap.

    Returns:
        The group's name, and its ratio with the difference of both ratios. Both are None if fewer than two groups are
        large enough, or if one model approves none of their cases.
    """
    large = [row for row in groups if row["is_large_enough"]]
    cases = np.array([row["case_count"] for row in large])
    own, selected = (np.array([row[name] for row in large]) for name in ("approved_count", "selected_count"))
    if len(large) < 2 or not (own.any() and selected.any()):
        return None, None
    generator = np.random.default_rng(seed)
    drawn = np.empty((2, replicates, len(large)))
    for number, row in enumerate(large):
        cells = np.array(
            [
                row["both_count"],
                row["approved_count"] - row["both_count"],
                row["selected_count"] - row["both_count"],
                row["case_count"] - row["approved_count"] - row["selected_count"] + row["both_count"],
            ]
        )
        both, alone, other, _ = generator.multinomial(cells.sum(), cells / cells.sum(), replicates).T / cells.sum()
        drawn[0, :, number], drawn[1, :, number] = both + alone, both + other
    # A replicate without any approval has no ratio.
    drawn = drawn[:, (drawn.max(axis=2) > 0).all(axis=0)]
    replicated = _least_to_most(drawn)
    value, of_selected = _least_to_most(np.stack([own, selected]) / cases)
    difference = metrics.difference_of(float(value - of_selected), replicated[0] - replicated[1])
    return large[int(np.argmin(own / cases))]["group_name"], (float(value), difference)


def _least_to_most(rates: np.ndarray) -> np.ndarray:
    """The lowest of the groups' rates, along the last axis, over the highest."""
    return rates.min(axis=-1) / rates.max(axis=-1)


def _performance(label: np.ndarray, pd: dict[str, np.ndarray]) -> dict[str, dict[str, tuple[float, Difference]]]:
    """role -> metric -> value and difference from the selected candidate."""
    sampled = [("ks", metrics.ks_statistic), ("brier", metrics.brier)]
    value = {(role, metric): of(label, score) for role, score in pd.items() for metric, of in sampled}
    wanted = [(of, score) for score in pd.values() for _, of in sampled]
    drawn = dict(zip(value, metrics.paired_replicates(wanted, label), strict=True))
    found = {
        role: {"auc": (metrics.auc(label, score), metrics.auc_difference(label, score, pd[SELECTED]))}
        for role, score in pd.items()
    }
    for role, metric in value:
        difference = value[role, metric] - value[SELECTED, metric]
        replicates = drawn[role, metric] - drawn[SELECTED, metric]
        found[role][metric] = (value[role, metric], metrics.difference_of(difference, replicates))
    return found


def _row(
    name: str,
    role: str,
    attribute: str | None,
    metric: str,
    group_name: str | None,
    figure: tuple[float, Difference] | None,
) -> dict:
    keys = {"model_name": name, "role": role, "attribute": attribute, "metric": metric, "group_name": group_name}
    if figure is None:
        return keys
    value, difference = figure
    numbers = {
        "value": value,
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }
    return keys | {column: round(number, 9) for column, number in numbers.items()}


def _grouped(counts: Sequence[dict]) -> dict[tuple[str, str, str], list[dict]]:
    grouped: dict[tuple[str, str, str], list[dict]] = {}
    for row in counts:
        grouped.setdefault((row["model_name"], row["role"], row["attribute"]), []).append(row)
    return grouped


def _distinct(column: pa.ChunkedArray) -> list[str]:
    return sorted(pc.unique(column).to_pylist())
