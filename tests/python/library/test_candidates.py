"""A weekly run: fit, score beside the champion, measure, judge by the seed's rules, register or not."""

import csv
import operator
import re
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pytest
from library_store import APPROVER, MAKER, SPECS, book, catalog_of, population, set_environment
from nightbook import provenance
from nightbook.engine import frames, home
from nightbook.errors import NightbookError
from nightbook.modelling import candidates, metrics
from nightbook.modelling.boosting import FeatureSpec
from nightbook.registry import model_versions
from nightbook.scoring import inference
from runner import promotions

RULES = Path(__file__).parents[3] / "seeds" / "reference" / "gate_rules.csv"
COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
LEAK = FeatureSpec("leak", 0)


def failed_rules(candidate: dict, measurements: list[dict]) -> dict[str, str]:
    """The seed's rules, evaluated as in int_gate_verdicts.sql. Returns rule -> severity of those that failed."""
    fitted = {"metric": "fitted", "value": float(candidate["status"] == "fitted")}
    by_metric = {row["metric"]: row for row in [*measurements, fitted]}
    failed = {}
    with RULES.open(encoding="utf-8", newline="") as file:
        for rule in csv.DictReader(file):
            if candidate["status"] != "fitted" and rule["metric"] != "fitted":
                continue
            measurement = by_metric.get(rule["metric"], {})
            if rule["measure"].startswith("difference") and measurement.get("champion_value") is None:
                continue
            measured = measurement.get(rule["measure"])
            if measured is None or not COMPARE[rule["comparison"]](measured, float(rule["threshold"])):
                failed[rule["rule"]] = rule["severity"]
    return failed


RUN = {"run_id": "run-1", "actor": MAKER}


class Week:
    """One weekly run on one model's training set, step by step like the dbt models."""

    def __init__(self, connection, name: str, portfolio: pa.Table, catalog: list[dict], run_id: str = "run-1") -> None:
        sets = {name: connection.from_arrow(portfolio)}
        fitted = candidates.fit(sets, catalog, RUN | {"run_id": run_id})
        self.candidate = frames.records(connection, candidates.CANDIDATE_SCHEMA, fitted).to_pylist()[0]
        holdout = frames.relation(
            connection, candidates.HOLDOUT_SCHEMA, candidates.score_holdout(sets, [self.candidate], book().record())
        )
        self.scores = holdout.read_all()
        found = candidates.measure(sets, [self.candidate], connection.from_arrow(self.scores))
        self.measurements = frames.records(connection, candidates.MEASUREMENT_SCHEMA, found).to_pylist()
        self.failed = failed_rules(self.candidate, self.measurements)
        is_fitted = self.candidate["status"] == "fitted"
        verdict = self.candidate | {"is_passed": "block" not in self.failed.values()}
        self.registered = candidates.register([verdict] if is_fitted else [], run_id)
        for row in self.registered:
            book().register(name, row["mlflow_run_id"], maker=MAKER, run_id=run_id)

    def __getitem__(self, metric: str) -> dict:
        return next(row for row in self.measurements if row["metric"] == metric)


def with_column(portfolio: pa.Table, name: str, values) -> pa.Table:
    return portfolio.append_column(name, pa.array(values))


def shuffled(portfolio: pa.Table, seed: int = 1) -> pa.Table:
    label = np.random.default_rng(seed).permutation(portfolio["is_default"].to_numpy())
    return portfolio.set_column(portfolio.column_names.index("is_default"), "is_default", pa.array(label))


@pytest.fixture(scope="session")
def first_week(connection, store, portfolio):
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, store.home)
        week = Week(connection, "weekly_pd", portfolio, catalog_of("weekly_pd"))
        promotions.approve("weekly_pd", 1, approver=APPROVER, change_request="CR-1")
    return week


def test_first_candidate_passes_and_is_registered(connection, first_week):
    assert first_week.failed == {}
    run = first_week.candidate["mlflow_run_id"]
    [registered] = frames.records(connection, candidates.REGISTRATION_SCHEMA, first_week.registered).to_pylist()
    assert [registered[name] for name in ("model_name", "mlflow_run_id", "model_version")] == ["weekly_pd", run, 1]
    version = book().record().versions_of("weekly_pd")[0]
    assert (version.maker, version.run_id, version.mlflow_run_id) == (MAKER, "run-1", run)


def test_candidate_row_says_what_was_fitted(first_week, portfolio):
    row = first_week.candidate
    train = portfolio.filter(pa.compute.equal(portfolio["split"], "train"))
    assert row["status"] == "fitted" and row["reason"] == f"{row['algorithm']} was better on validation"
    assert (row["maker"], row["git_commit"]) == (MAKER, provenance.git_commit())
    assert row["train_rows"] == train.num_rows and row["train_defaults"] == pa.compute.sum(train["is_default"]).as_py()
    assert row["validation_rows"] + row["holdout_rows"] + row["train_rows"] == portfolio.num_rows
    found = model_versions.candidate("weekly_pd", row["mlflow_run_id"])
    assert (found.digest, found.metadata["data_digest"]) == (row["model_digest"], row["data_digest"])
    # A column without any value is not an input.
    learned = [spec for spec in SPECS if spec.name != "never_landed"]
    assert len(learned) == len(SPECS) - 1 and found.features == tuple(spec.name for spec in learned)
    assert found.metadata["monotone"] == [spec.monotone for spec in learned]
    tags = mlflow.MlflowClient(home.registry_uri()).get_run(row["mlflow_run_id"]).data.tags
    expected = {"maker": MAKER, "run_id": "run-1", "git_commit": provenance.git_commit()}
    expected |= {f"version.{library}": version for library, version in provenance.library_versions().items()}
    assert "version.xgboost" in expected and {key: tags[key] for key in expected} == expected


def test_holdout_without_a_champion(first_week, portfolio):
    scores = first_week.scores
    assert scores.schema == candidates.HOLDOUT_SCHEMA
    assert scores["champion_pd"].null_count == scores.num_rows
    kept = portfolio.filter(pa.compute.not_equal(portfolio["split"], "validation"))
    keys = ["entity_id", "as_of_date", "split", "is_default"]
    assert scores.select(keys).to_pylist() == kept.select(keys).to_pylist()
    model = model_versions.candidate("weekly_pd", first_week.candidate["mlflow_run_id"])
    booster = inference.load_booster(model.booster_bytes, model.digest)
    expected = inference.predict_pd(booster, frames.matrix(kept, model.features))
    assert scores["candidate_pd"].to_numpy().tobytes() == expected.tobytes()


def test_runner_up_is_scored_on_the_holdout_alone(first_week, portfolio):
    """Scored as if it had been selected, so that the search for a fairer alternative is a fair comparison."""
    scores, run = first_week.scores, first_week.candidate["mlflow_run_id"]
    assert {first_week.candidate["algorithm"], first_week.candidate["runner_up"]} == {"boosted_trees", "random_forest"}
    is_holdout = pa.compute.equal(scores["split"], "holdout")
    found = scores["runner_up_pd"].filter(is_holdout)
    assert found.null_count == 0 and scores["runner_up_pd"].null_count == scores.num_rows - len(found)
    kept = portfolio.filter(pa.compute.equal(portfolio["split"], "holdout"))
    booster = inference.load_booster(*model_versions.runner_up("weekly_pd", run))
    expected = inference.predict_pd(booster, frames.matrix(kept, model_versions.candidate("weekly_pd", run).features))
    assert found.to_numpy().tobytes() == expected.tobytes()
    label = kept["is_default"].to_numpy()
    assert abs(expected.mean() - label.mean()) < 0.03 and metrics.auc(label, expected) > 0.6


def test_measurements_are_of_the_right_split(first_week):
    scores = first_week.scores
    part = {name: scores.filter(pa.compute.equal(scores["split"], name)) for name in ("train", "holdout")}
    area = {
        name: metrics.auc(rows["is_default"].to_numpy(), rows["candidate_pd"].to_numpy()) for name, rows in part.items()
    }
    assert first_week["auc"]["value"] == pytest.approx(area["holdout"], abs=1e-12)
    gap = first_week["auc_train_minus_holdout"]["value"]
    assert gap == pytest.approx(area["train"] - area["holdout"], abs=1e-12) and gap > 0.01
    assert first_week["holdout_rows"]["value"] == part["holdout"].num_rows
    assert first_week["default_rate"]["value"] == np.mean(part["holdout"]["is_default"].to_numpy())
    benchmark = metrics.auc(part["holdout"]["is_default"].to_numpy(), part["holdout"]["benchmark_pd"].to_numpy())
    assert first_week["benchmark_auc"]["value"] == pytest.approx(benchmark, abs=1e-12)


def test_champion_is_scored_on_the_same_rows_with_its_own_features(connection, first_week, portfolio):
    backwards = catalog_of("weekly_pd", SPECS[::-1])
    week = Week(connection, "weekly_pd", portfolio, backwards, "run-2")
    earlier, now = first_week.scores, week.scores
    assert now["champion_pd"].to_numpy().tobytes() == earlier["candidate_pd"].to_numpy().tobytes()
    assert now["entity_id"].equals(earlier["entity_id"])
    assert week["auc"]["champion_value"] == first_week["auc"]["value"]
    assert week["auc"]["difference"] == pytest.approx(week["auc"]["value"] - week["auc"]["champion_value"])
    assert model_versions.champion_version("weekly_pd") == 1


def test_same_data_gives_the_same_candidate(connection, first_week, portfolio):
    week = Week(connection, "weekly_pd", portfolio, catalog_of("weekly_pd"), "run-3")
    for column in ("model_digest", "data_digest", "algorithm"):
        assert week.candidate[column] == first_week.candidate[column]
    assert week["auc"]["difference"] == 0 and week["brier"]["difference"] == 0
    assert week.failed == {}


def test_row_order_of_the_relation_does_not_matter(connection, first_week, portfolio):
    mixed = portfolio.take(pa.array(np.random.default_rng(2).permutation(portfolio.num_rows)))
    found = candidates.fit({"mixed_pd": connection.from_arrow(mixed)}, catalog_of("mixed_pd"), RUN)[0]
    assert found["model_digest"] == first_week.candidate["model_digest"]


def test_slightly_worse_candidate_is_turned_away(connection, first_week, portfolio):
    fewer = catalog_of("weekly_pd", SPECS[:4])
    before = len(model_versions.version_numbers("weekly_pd"))
    week = Week(connection, "weekly_pd", portfolio, fewer, "run-4")
    assert 0.6 < week["auc"]["value"] < week["auc"]["champion_value"]
    assert "auc_no_worse_than_champion" in week.failed
    assert set(week.failed) <= {
        "auc_no_worse_than_champion",
        "auc_not_significantly_worse",
        "ks_no_worse_than_champion",
        "brier_no_worse_than_champion",
        "beats_benchmark",
    }
    assert week.registered == [] and len(model_versions.version_numbers("weekly_pd")) == before
    assert model_versions.champion_version("weekly_pd") == 1


def test_shuffled_labels_are_turned_away(connection, portfolio):
    fitted = 0
    for seed in range(3):
        name = f"shuffled_{seed}_pd"
        week = Week(connection, name, shuffled(portfolio, seed), catalog_of(name))
        assert week.registered == [] and name not in model_versions.model_names()
        if week.candidate["status"] == "fitted":
            fitted += 1
            assert {"auc_floor", "ks_floor", "auc_better_than_random"} <= set(week.failed)
        else:
            assert "candidate_fitted" in week.failed
    assert fitted > 0


def test_copy_of_the_label_is_turned_away(connection, portfolio):
    leaked = with_column(portfolio, "leak", portfolio["is_default"].to_numpy())
    week = Week(connection, "leak_pd", leaked, catalog_of("leak_pd", extra=(LEAK,)))
    assert week.candidate["status"] == "refused"
    assert "separates the classes" in week.candidate["reason"] and "leak" in week.candidate["reason"]
    assert week.failed == {"candidate_fitted": "block"} and week.measurements == []
    assert week.registered == [] and "leak_pd" not in model_versions.model_names()


@pytest.mark.parametrize("share", [0.005, 0.02])
def test_noisy_copy_of_the_label_is_turned_away(connection, portfolio, share):
    generator = np.random.default_rng(4)
    label = portfolio["is_default"].to_numpy()
    noisy = np.where(generator.random(len(label)) < share, 1 - label, label) + generator.normal(0, 0.05, len(label))
    name = f"noisy_leak_{share}_pd"
    week = Week(connection, name, with_column(portfolio, "leak", noisy), catalog_of(name, extra=(LEAK,)))
    assert week.candidate["status"] == "fitted"
    assert 0.95 < week["auc"]["value"] < 1
    assert week.failed["auc_ceiling"] == "block"
    assert week.registered == [] and name not in model_versions.model_names()


def test_champion_that_reads_a_column_that_is_gone(connection, first_week, portfolio):
    fewer = portfolio.drop_columns(["bureau_score"])
    sets = {"weekly_pd": connection.from_arrow(fewer)}
    with pytest.raises(NightbookError) as caught:
        list(candidates.score_holdout(sets, [first_week.candidate], book().record()))
    assert str(caught.value) == (
        "weekly_pd version 1, the champion, reads bureau_score, which is no longer a feature: "
        "keep the column until a version without it is champion"
    )


def test_models_without_cases_say_so(connection, training_set, portfolio):
    nobody = connection.from_arrow(portfolio.slice(0, 0))
    catalog = catalog_of("some_pd") + catalog_of("none_pd")
    some, none = candidates.fit({"some_pd": training_set, "none_pd": nobody}, catalog, RUN)
    assert some["status"] == "fitted"
    assert (none["status"], none["reason"]) == ("no_cases", "no matured case to train on")
    assert frames.records(connection, candidates.CANDIDATE_SCHEMA, [none]).to_pylist()[0]["mlflow_run_id"] is None
    assert list(candidates.score_holdout({"none_pd": nobody}, [none], book().record())) == []
    empty = connection.from_arrow(frames.records(connection, candidates.HOLDOUT_SCHEMA, []))
    assert candidates.measure({"none_pd": nobody}, [none], empty) == []
    with pytest.raises(NightbookError, match="^no cohort has matured: .*outcome_months.*land more months"):
        candidates.fit({"none_pd": nobody, "nobody_pd": nobody}, catalog, RUN)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda t: t.filter(pa.compute.not_equal(t["split"], "holdout")), "split holdout is empty; land more matured"),
        (lambda t: pa.concat_tables([t, t.slice(0, 1)]), "A000000 at 2024-01-31 occurs more than once"),
        (lambda t: t.drop_columns(["utilization"]), "column utilization is absent"),
        (lambda t: t.slice(0, 100), "fewer than 20; land more history|needs two of each class"),
    ],
)
def test_unusable_data_is_refused_with_its_reason(connection, portfolio, spoil, reason):
    found = candidates.fit({"bad_pd": connection.from_arrow(spoil(portfolio))}, catalog_of("bad_pd"), RUN)
    assert [row["status"] for row in found] == ["refused"]
    row = frames.records(connection, candidates.CANDIDATE_SCHEMA, found).to_pylist()[0]
    assert re.search(reason, row["reason"])
    assert "\n" not in row["reason"] and row["mlflow_run_id"] is None
    assert failed_rules(row, []) == {"candidate_fitted": "block"}


def test_only_what_passed_is_registered(store):
    verdicts = [
        {"model_name": f"verdict_{passed}_pd", "mlflow_run_id": run, "maker": MAKER, "is_passed": passed}
        | {"model_digest": one.digest, "data_digest": one.data_digest}
        for run, one, passed in zip(store.runs, store.candidates, (True, False, None), strict=True)
    ]
    found = candidates.register(verdicts, "run-5")
    assert [(row["model_name"], row["mlflow_run_id"], row["model_version"]) for row in found] == [
        ("verdict_True_pd", store.runs[0], 1)
    ]
    assert candidates.register(verdicts, "run-6") == found
    assert model_versions.version_numbers("verdict_True_pd") == [1]
    assert not {"verdict_False_pd", "verdict_None_pd"} & set(model_versions.model_names())


def test_rules_read_metrics_that_are_measured(first_week):
    with RULES.open(encoding="utf-8", newline="") as file:
        rules = list(csv.DictReader(file))
    measured = {row["metric"] for row in first_week.measurements} | {"fitted"}
    assert {rule["metric"] for rule in rules} <= measured
    assert {rule["measure"] for rule in rules} <= set(candidates.MEASUREMENT_SCHEMA.names)
    assert {rule["comparison"] for rule in rules} <= set(COMPARE)


def test_population_is_as_hard_as_a_real_one(portfolio):
    assert 0.05 < np.mean(portfolio["is_default"].to_numpy()) < 0.35
    assert population().equals(portfolio)
