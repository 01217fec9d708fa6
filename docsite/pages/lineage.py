"""Column-level lineage for a reviewer: from published columns back to landed ones, Python models included."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nightbook.catalog import scoring_models
from nightbook.lineage import graph

from docsite.blocks import Link, Missing, Page, Section, Table, Text, node
from docsite.reading import Reading

ORDER = 50
# What external readers use, in the order in which they ask.
_PUBLISHED = (
    *(f"marts.{model.scores}" for model in scoring_models.read().values()),
    "marts.underwriting_queue",
    "marts.fct_provisions",
    "marts.rpt_regulatory_features",
    "training.fct_gate_decisions",
    "monitoring.fct_feature_psi",
    "monitoring.fct_model_performance",
    "monitoring.fct_calibration",
)
_MODEL = "models:/"
Column = tuple[str, str]


@dataclass(frozen=True)
class Edges:
    """`into`: column -> its origins -> how -> models whose rows are meant, if a relation holds rows of several."""

    into: Mapping[Column, Mapping[Column, Mapping[str, set[str]]]]
    steps: graph.Steps


def pages(reading: Reading) -> Iterator[Page]:
    """One page, for the code of the last night and the last training."""
    yield Page(
        "lineage.html",
        "lineage",
        "Column-level lineage",
        "Which columns each column comes from: published columns, models, model inputs, landed columns.",
        list(_sections(reading)),
    )


def _sections(reading: Reading) -> Iterator[Section]:
    edges = _edges(reading)
    if edges is None:
        yield Section("No lineage", "missing", [Missing("No run has recorded lineage in this warehouse yet.")])
        return
    yield Section(
        "How to read it",
        "reading",
        [
            Text(
                [
                    f"{sum(map(len, edges.into.values())):,} edges. A parser reads them from the SQL that ran, or a "
                    "Python model declares them and they are checked against its columns. IDENTITY: the value is "
                    "passed on. TRANSFORMATION: computed row by row. AGGREGATION: rows are combined. INDIRECT: no "
                    "value flows; the column decides which rows are used. Source: ",
                    node("fct_lineage_edges"),
                    "; as SQL: ",
                    Link(
                        "where_a_score_comes_from",
                        "dbt/index.html#!/analysis/analysis.nightbook.where_a_score_comes_from",
                    ),
                    ".",
                ]
            ),
            Text(
                [
                    "A registered model is a step like any other: its version is made from the training set, and "
                    "scores are made with it. Where a relation holds rows of several models, a path stays with one of "
                    "them. For a single score, use `python orchestrate.py explain`."
                ]
            ),
        ],
    )
    for relation in _PUBLISHED:
        if any(place == relation for place, _ in edges.into):
            yield _published(relation, edges)
    for kind in ("account", "application"):
        yield _inputs(kind, edges)
    yield Section(
        "Every relation", "relations", [_direct(relation, edges) for relation in sorted({to for to, _ in edges.into})]
    )


def _published(relation: str, edges: Edges) -> Section:
    name = relation.partition(".")[2]
    rows = []
    for column in _columns(relation, edges):
        reached = _origins((relation, column), edges)
        rows.append([column, _listed(edges.into[relation, column]), _landed(reached), ", ".join(_through(reached))])
    head = ["column", "made from", "comes from landed columns", "through models"]
    return Section(name, name, [Text([node(name), ":"]), Table(head, rows)])


def _inputs(kind: str, edges: Edges) -> Section:
    relation = f"features.feat_{kind}s"
    rows = []
    for column in _columns(relation, edges):
        families = {place for place, _ in edges.into[relation, column]}
        [family] = families if len(families) == 1 else [""]
        rows.append([column, family, _landed(_origins((relation, column), edges))])
    return Section(
        f"Inputs of {kind}s",
        f"{kind}-inputs",
        [
            Text(
                [
                    "Every input of ",
                    node(f"feat_{kind}s"),
                    " with the landed columns that it comes from, values and filters.",
                ]
            ),
            Table(["input", "defined in", "comes from landed columns"], rows, title=f"{len(rows)} inputs"),
        ],
    )


def _direct(relation: str, edges: Edges) -> Table:
    rows = [
        [column, f"{place}.{source}", transformation, ", ".join(sorted(models))]
        for column in _columns(relation, edges)
        for (place, source), found in sorted(edges.into[relation, column].items())
        for transformation, models in sorted(found.items())
    ]
    return Table(["column", "made from", "how", "for the rows of"], rows, title=f"{relation}: {len(rows)} edges")


def _edges(reading: Reading) -> Edges | None:
    """Edges of the code of the last night and the last training."""
    if not reading.has("audit.fct_lineage_edges"):
        return None
    runs = [run["run_id"] for run in (reading.last_night(), reading.last_training()) if run]
    rows = [
        row
        for run_id in runs
        for row in reading.query("select * from audit.fct_lineage_edges where run_id = ?", [run_id])
    ]
    into: dict[Column, dict[Column, dict[str, set[str]]]] = {}
    for row in rows:
        sources = into.setdefault((row["to_relation"], row["to_column"]), {})
        found = sources.setdefault((row["from_relation"], row["from_column"]), {})
        model = row.get("to_model_name") or row.get("from_model_name")
        found.setdefault(row["transformation"], set()).update({model} if model else ())
    return Edges(into, graph.steps(rows)) if rows else None


def _origins(start: Column, edges: Edges) -> set[Column]:
    """Every column upstream of one, however far."""
    return {(place, column) for place, column, _ in graph.reached((*start, None), edges.steps)} - {start}


def _columns(relation: str, edges: Edges) -> list[str]:
    return sorted(column for place, column in edges.into if place == relation)


def _listed(sources: Iterable[Column]) -> str:
    """Direct sources, with the columns of one relation together. Long lists are given as a number."""
    by = defaultdict(list)
    for place, column in sorted(sources):
        by[place].append(column)
    return "; ".join(
        f"{place}: {', '.join(found) if len(found) < 6 else f'{len(found)} columns'}" for place, found in by.items()
    )


def _landed(reached: set[Column]) -> str:
    by = defaultdict(list)
    for place, column in sorted(reached):
        if place.startswith("raw.") and not column.startswith("_"):
            by[place.removeprefix("raw.")].append(column)
    return (
        "; ".join(f"{place}: {', '.join(found)}" for place, found in by.items()) or "none: set by the run or by policy"
    )


def _through(reached: set[Column]) -> list[str]:
    return sorted({place for place, _ in reached if place.startswith(_MODEL)})
