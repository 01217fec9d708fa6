"""What differs between two scored nights of the same landed rows."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from nightbook.catalog import scoring_models
from nightbook.modelling import gate, metrics

# What is read from each home. Every table is small enough for memory.
RELATIONS = {
    "catalog": "select model_name, name, in_model, monotone_direction, reason_text from reference.feature_catalog"
    " order by all",
    "provisions": "select account_id as key, cast(expected_loss as double) as expected_loss, ifrs9_stage as stage"
    " from marts.fct_provisions",
    "queue": "select application_id as key, triage_band as band from marts.underwriting_queue",
    "reasons": "select application_id as key, [reason_1, reason_2, reason_3, reason_4] as reasons"
    " from marts.fct_application_scores",
    "runs": "select cadence, date_diff('millisecond', started_at, ended_at) / 1000 as seconds from audit.fct_runs",
}
# Figures that can have a limit.
FIGURES = (
    "features_changed", "features_removed", "cases_changed", "score_psi", "grade_changes", "triage_changes",
    "provisions", "auc_fall", "run_time",
)  # fmt: skip
# Only in a home that has trained.
TRAINING = {
    "gate": "select model_name, metric, value, low, high from training.gate_measurements"
    " where metric in ('auc', 'ks', 'brier')",
    "verdicts": "select model_name, rule, reason from training.int_gate_verdicts where verdict = 'fail' order by all",
}
_SHIFT = 10  # bins of a PSI
_NOISE = 60.0  # seconds that a busy machine may add to a run of minutes

Night = dict[str, pa.Table]


@dataclass(frozen=True)
class Feature:
    """A feature that differs between base and change.

    change: added, removed, renamed, changed, left_out (no longer a model input) or redeclared (its catalog row
        differs).
    cases: cases that both sides have. differing: those among them with another value.
    mean_base, mean_change, psi: None if the values are not numbers or there are none.
    was: the former name of a renamed feature, or what was declared.
    """

    model_name: str
    name: str
    change: str
    is_input: bool
    cases: int = 0
    differing: int = 0
    mean_base: float | None = None
    mean_change: float | None = None
    psi: float | None = None
    was: str = ""


@dataclass(frozen=True)
class Scores:
    """Scores of a model on both sides. Shares are of the cases that both have."""

    model_name: str
    cases: int
    on_one_side: int
    differing: int
    psi: float
    mean_base: float
    mean_change: float
    moves: dict[tuple[str, str], int]

    @property
    def regraded(self) -> int:
        return sum(self.moves.values())


@dataclass(frozen=True)
class Impact:
    """Everything that differs on one book.

    loss: expected loss of base and change. seconds: cadence -> run time of base and change.
    """

    features: list[Feature]
    scores: list[Scores]
    loss: tuple[float, float]
    restaged: int
    queued: int
    rebanded: int
    rereasoned: int
    measured: list[dict] = field(default_factory=list)
    verdicts: list[dict] = field(default_factory=list)
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def is_none(self) -> bool:
        """Whether no feature, score or derived result differs. A new or renamed feature has no impact."""
        return not (
            any(one.change not in ("added", "renamed") for one in self.features)
            or any(one.differing or one.on_one_side for one in self.scores)
            or self.restaged
            or self.rebanded
            or self.rereasoned
            or self.loss[0] != self.loss[1]
        )

    def figures(self) -> dict[str, float]:
        """Figures that have limits, by the limit's name."""
        inputs = [one for one in self.features if one.is_input]
        found = {
            "features_changed": sum(one.change == "changed" for one in inputs),
            "features_removed": sum(one.change in ("removed", "left_out") for one in inputs),
            "cases_changed": sum(one.on_one_side for one in self.scores),
            "score_psi": max((one.psi for one in self.scores), default=0.0),
            "grade_changes": max((one.regraded / one.cases for one in self.scores if one.cases), default=0.0),
            "triage_changes": self.rebanded / self.queued if self.queued else 0.0,
            "provisions": abs(self.loss[1] - self.loss[0]) / self.loss[0] if self.loss[0] else float(self.loss[1] > 0),
        }
        # A model that the change can no longer train has lost its whole AUC.
        falls = [
            math.inf if row["change"] is None else row["base"] - row["change"]
            for row in self.measured
            if row["metric"] == "auc"
        ]
        if falls:
            found["auc_fall"] = max(falls)
        if self.seconds:
            base, change = (sum(side) for side in zip(*self.seconds.values(), strict=True))
            found["run_time"] = max(change - _NOISE, 0.0) / base
        return found


def read(home: Path) -> Night:
    """The scored night of a home, and its training if there was one."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        has_trained = connection.execute(
            "select count(*) from information_schema.tables where table_name = 'gate_measurements'"
        ).fetchall()[0][0]
        tables = {row[0] for row in connection.execute("select table_name from information_schema.tables").fetchall()}
        wanted = RELATIONS | _of_models(tables) | (TRAINING if has_trained else {})
        return {name: connection.sql(sql).to_arrow_table() for name, sql in wanted.items()}


def _of_models(tables: Collection[str]) -> dict[str, str]:
    """The inputs and the scores of each scoring model, under its name and its name with _scores.

    A model whose scores are not among the tables is left out.
    """
    found = {}
    for name, model in scoring_models.read().items():
        if model.scores not in tables:
            continue
        inputs = f"scoring.{model.inputs}" if model.inputs else f"features.{model.features}"
        found[name] = f"select columns(name -> name not in ('run_id', 'as_of_date')) from {inputs}"
        found[f"{name}_scores"] = f"select {model.key} as key, pd, risk_grade as grade from marts.{model.scores}"
    return found


def compare(base: Night, change: Night) -> Impact:
    """Compare feature by feature and score by score. Rows are matched by key.

    A scoring model that only one side has is not compared.
    """
    models = [name for name in scoring_models.read() if name in base and name in change]
    with duckdb.connect() as connection:
        for side, night in (("base", base), ("change", change)):
            connection.execute(f"create schema {side}")
            for name, table in night.items():
                connection.register("arrived", table)
                connection.execute(f"create table {side}.{name} as select * from arrived")
                connection.unregister("arrived")
        loss, restaged = _provisions(connection)
        queued, rebanded = connection.execute(
            "select count(*), count(*) filter (b.band is distinct from c.band)"
            " from base.queue as b full join change.queue as c using (key)"
        ).fetchall()[0]
        [(rereasoned,)] = connection.execute(
            "select count(*) from base.reasons as b inner join change.reasons as c using (key)"
            " where b.reasons is distinct from c.reasons"
        ).fetchall()
        return Impact(
            features=[one for model in models for one in _features(connection, model)],
            scores=[one for model in models if (one := _scores(connection, model)) is not None],
            loss=loss,
            restaged=restaged,
            queued=queued,
            rebanded=rebanded,
            rereasoned=rereasoned,
            measured=_measured(connection) if "gate" in base and "gate" in change else [],
            verdicts=_new_verdicts(base, change),
            seconds=_seconds(connection),
        )


def _features(connection: duckdb.DuckDBPyConnection, model: str) -> list[Feature]:
    key = scoring_models.read()[model].key
    declared = {side: _catalog(connection, side, model) for side in ("base", "change")}
    before, after = ({name: row["in_model"] for name, row in rows.items()} for rows in declared.values())
    cases, differing = _differing(connection, model, sorted(before.keys() & after.keys()))
    renamed = _renamed(connection, model, sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys()))
    found = [
        Feature(model, name, "renamed", after[name], cases, was=was)
        for was, name in renamed.items()
    ]  # fmt: skip
    found += [
        Feature(model, name, "removed", before[name])
        for name in sorted(before.keys() - after.keys() - renamed.keys())
    ]  # fmt: skip
    found += [
        Feature(model, name, "added", after[name], mean_change=_mean(_values(connection, "change", model, key, name)))
        for name in sorted(after.keys() - before.keys() - set(renamed.values()))
    ]
    for name, count in differing.items():
        now = declared["change"][name]
        was = [f"{key} {value}" for key, value in declared["base"][name].items() if now[key] != value]
        if was:
            change = "left_out" if before[name] and not after[name] else "redeclared"
            found.append(Feature(model, name, change, before[name] or after[name], cases, was=", ".join(was)))
        if count:
            old, new = (_values(connection, side, model, key, name) for side in ("base", "change"))
            found.append(
                Feature(model, name, "changed", before[name] or after[name], cases, count, _mean(old), _mean(new),
                        _psi(old, new))
            )  # fmt: skip
    return found


def _catalog(connection: duckdb.DuckDBPyConnection, side: str, model: str) -> dict[str, dict]:
    """Feature -> what the catalog says of it apart from its meaning."""
    rows = connection.execute(
        f"select name, in_model, monotone_direction, reason_text from {side}.catalog where model_name = ?", [model]
    ).fetchall()
    return {
        name: {"in_model": bool(in_model), "monotone_direction": direction, "reason_text": text}
        for name, in_model, direction, text in rows
    }


def _differing(connection: duckdb.DuckDBPyConnection, model: str, names: list[str]) -> tuple[int, dict[str, int]]:
    """The number of cases on both sides, and per feature how many of them have another value, in one pass."""
    counts = "".join(f', count(*) filter (b."{name}" is distinct from c."{name}")' for name in names)
    cases, *found = connection.execute(
        f"select count(*){counts} from base.{model} as b"
        f" inner join change.{model} as c using ({scoring_models.read()[model].key})"
    ).fetchall()[0]
    return cases, dict(zip(names, found, strict=True))


def _renamed(connection: duckdb.DuckDBPyConnection, model: str, gone: list[str], come: list[str]) -> dict[str, str]:
    """Old name -> new name, if a removed and an added feature agree in every case and are not constant."""
    found: dict[str, str] = {}
    for was in gone:
        for name in come:
            differing, distinct = connection.execute(
                f'select count(*) filter (b."{was}" is distinct from c."{name}"), count(distinct b."{was}")'
                f" from base.{model} as b inner join change.{model} as c using ({scoring_models.read()[model].key})"
            ).fetchall()[0]
            if not differing and distinct > 1 and name not in found.values():
                found[was] = name
                break
    return found


def _values(connection: duckdb.DuckDBPyConnection, side: str, model: str, key: str, name: str) -> np.ndarray:
    """A feature's values in the order of its keys, NaN if missing."""
    rows = connection.execute(f'select cast("{name}" as double) as value from {side}.{model} order by {key}')
    return np.ma.filled(rows.fetchnumpy()["value"].astype(float), np.nan)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _psi(old: np.ndarray, new: np.ndarray) -> float | None:
    """PSI over the deciles of the old values, with an extra bin for missing values."""
    if not (old.size and new.size):
        return None
    edges = metrics.quantile_edges(old[~np.isnan(old)], _SHIFT)
    shares = []
    for values in (old, new):
        is_known = ~np.isnan(values)
        counts = np.append(metrics.bin_counts(values[is_known], edges), np.count_nonzero(~is_known))
        shares.append(counts / values.size)
    return metrics.psi(*shares)


def _scores(connection: duckdb.DuckDBPyConnection, model: str) -> Scores | None:
    """Scores on both sides. None if neither side has any."""
    relation = f"{model}_scores"
    joined = f"base.{relation} as b full join change.{relation} as c using (key)"
    both = connection.execute(
        f"select b.pd as base, c.pd as change from {joined} where b.pd is not null and c.pd is not null order by key"
    ).fetchnumpy()
    base, change = np.asarray(both["base"]), np.asarray(both["change"])
    one_side, differing = connection.execute(
        f"select count(*) filter (b.pd is null or c.pd is null), count(*) filter (b.pd != c.pd) from {joined}"
    ).fetchall()[0]
    if not base.size and not one_side:
        return None
    moves = connection.execute(
        f"select b.grade, c.grade, count(*) from {joined} where b.grade != c.grade group by all order by all"
    ).fetchall()
    return Scores(
        model,
        int(base.size),
        one_side,
        differing,
        gate.score_psi(base, change) if base.size else 0.0,
        float(base.mean()) if base.size else 0.0,
        float(change.mean()) if base.size else 0.0,
        {(old, new): count for old, new, count in moves},
    )


def _provisions(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[float, float], int]:
    # In cents, because a sum of doubles depends on their order.
    total = "select coalesce(sum(cast(expected_loss as decimal(18, 2))), 0) from"
    base, change = (connection.execute(f"{total} {side}.provisions").fetchall()[0][0] for side in ("base", "change"))
    restaged = connection.execute(
        "select count(*) from base.provisions as b inner join change.provisions as c using (key)"
        " where b.stage != c.stage"
    ).fetchall()[0][0]
    return (float(base), float(change)), restaged


def _measured(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """Figures of both sides' candidates on their holdouts, with the base's intervals. The change may have none."""
    rows = connection.execute(
        "select b.model_name, b.metric, b.value, b.low, b.high, c.value from base.gate as b"
        " left join change.gate as c using (model_name, metric) order by all"
    ).fetchall()
    names = ("model_name", "metric", "base", "low", "high", "change")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _new_verdicts(base: Night, change: Night) -> list[dict]:
    """Rules that the change's candidates fail and the base's do not."""
    failed = {(row["model_name"], row["rule"]) for row in base["verdicts"].to_pylist()} if "verdicts" in base else set()
    found = change["verdicts"].to_pylist() if "verdicts" in change else []
    return [row for row in found if (row["model_name"], row["rule"]) not in failed]


def _seconds(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[float, float]]:
    rows = connection.execute(
        "select cadence, sum(base), sum(change) from ("
        " select cadence, seconds as base, 0 as change from base.runs"
        " union all select cadence, 0, seconds from change.runs"
        ") group by cadence order by cadence"
    ).fetchall()
    return {cadence: (base, change) for cadence, base, change in rows if base and change}
