"""What is stored of a candidate, a version and a promotion, and who may promote."""

import hashlib
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
from library_store import APPROVER, MAKER, MODEL, SPECS, book, log, new_model, register
from nightbook.engine import frames, home
from nightbook.errors import NightbookError
from nightbook.modelling import candidates, training
from nightbook.registry import artifacts, mlflow_store, model_versions
from runner import promotions

from tests.python.recorded import THEN


def run_of(run_id):
    return mlflow.MlflowClient(home.registry_uri()).get_run(run_id)


def folder_of(run_id) -> Path:
    """The folder with the files of a run's model."""
    client = mlflow.MlflowClient(home.registry_uri())
    model = client.get_logged_model(run_of(run_id).outputs.model_outputs[0].model_id)
    return Path(model.artifact_location.removeprefix("file://"))


def test_candidate_comes_back_as_logged(store):
    for logged, run in zip(store.candidates, store.runs, strict=True):
        found = model_versions.candidate(MODEL, run)
        assert found.booster_bytes == logged.booster_bytes
        assert found.digest == logged.digest == hashlib.sha256(found.booster_bytes).hexdigest()
        assert found.metadata == training.metadata(logged)
        assert found.features == tuple(spec.name for spec in SPECS)
        assert (found.model_name, found.version, found.mlflow_run_id) == (MODEL, None, run)


def test_run_holds_what_a_reviewer_asks_for(store):
    candidate, run = store.candidates[0], run_of(store.runs[0])
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {name: float(value) for name, value in candidate.metrics.items()}
    assert run.data.params == {name: str(value) for name, value in candidate.params.items()}
    expected = {
        "maker": MAKER,
        "run_id": "run-0",
        "git_commit": "abc-dirty",
        "model_digest": candidate.digest,
        "data_digest": candidate.data_digest,
    }
    assert {key: run.data.tags[key] for key in expected} == expected


def test_parameter_too_long_for_mlflow_stays_in_the_metadata(store):
    candidate = store.candidates[0]
    constraints = "(" + ",".join(["0"] * 4000) + ")"
    metadata = training.metadata(candidate) | {"params": {"monotone_constraints": constraints, "seed": 7}}
    run = model_versions.log_candidate("long_pd", candidate.booster_bytes, metadata, tags={}, metrics={})
    assert run_of(run).data.params == {"seed": "7"}
    assert model_versions.candidate("long_pd", run).metadata["params"]["monotone_constraints"] == constraints


def test_candidate_whose_digest_is_not_its_own_is_refused(store):
    candidate = store.candidates[0]
    metadata = training.metadata(candidate) | {"digest": "0" * 64}
    with pytest.raises(NightbookError, match="^wrong_pd: the artifact that MLflow wrote differs.*train again$"):
        model_versions.log_candidate("wrong_pd", candidate.booster_bytes, metadata, tags={}, metrics={})


def test_same_candidate_is_registered_once(store, model_name):
    again = model_versions.register(model_name, store.runs[1], maker="somebody else", run_id="run-9")
    assert again["model_version"] == 2
    assert model_versions.version_numbers(model_name) == [1, 2, 3]
    assert model_versions.stated(model_name, 2)["maker"] == MAKER


def test_a_version_that_somebody_registered_by_hand_is_not_taken_for_the_trainings(store):
    """Its tags are empty or different, so it would block the candidate for ever."""
    name = "squatted_pd"
    client = mlflow.MlflowClient(home.registry_uri())
    client.create_registered_model(name)
    source = f"models:/{run_of(store.runs[0]).outputs.model_outputs[0].model_id}"
    client.create_model_version(name, source, run_id=store.runs[0], tags={"maker": "nobody"})
    assert register(name, store.runs[0]) == 2
    assert promotions.approve(name, 2, approver=APPROVER, change_request="CR-1").model_version == 2
    assert "no digests of it" in refusal(model_versions.load, name, 1)


def test_versions_tell_how_they_came_about(store, model_name):
    promotion = promotions.approve(model_name, 2, approver=" Bob ", change_request=" CR-7 ")
    for number, found in enumerate(book().record().versions_of(model_name)):
        candidate = store.candidates[number]
        approved = number == 1
        assert asdict(found) == {
            "model_name": model_name,
            "model_version": number + 1,
            "mlflow_run_id": store.runs[number],
            "model_digest": candidate.digest,
            "algorithm": candidate.algorithm,
            "maker": MAKER,
            "run_id": "run-0",
            "registered_at": THEN,
            "metadata_digest": asdict(found)["metadata_digest"],
            "data_digest": candidate.data_digest,
            "git_commit": "abc-dirty",
            "artifact_digest": artifacts.digest(folder_of(store.runs[number])),
            "is_champion": approved,
            "approver": "Bob" if approved else None,
            "change_request": "CR-7" if approved else None,
            "approved_at": promotion.promoted_at if approved else None,
            "is_by_makers_account": False if approved else None,
        }


def test_what_is_registered_fills_its_schema(connection, store):
    verdict = {
        "model_name": "schema_pd",
        "mlflow_run_id": store.runs[0],
        "maker": MAKER,
        "is_passed": True,
        "model_digest": store.candidates[0].digest,
        "data_digest": store.candidates[0].data_digest,
    }
    rows, schema = candidates.register([verdict], "run-1"), candidates.REGISTRATION_SCHEMA
    assert frames.records(connection, schema, rows).to_pylist() == rows
    now = datetime.now(UTC).replace(tzinfo=None)
    assert timedelta(0) <= now - rows[0]["registered_at"] < timedelta(minutes=10)
    with pytest.raises(NightbookError, match="^schema_pd candidate .* was replaced after it was judged: train again$"):
        candidates.register([verdict | {"model_digest": "0" * 64}], "run-1")


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(NightbookError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("approver", [MAKER, "ann maker", "  ANN MAKER\t"])
def test_maker_cannot_approve(model_name, approver):
    message = refusal(promotions.approve, model_name, 1, approver=approver, change_request="CR-1")
    assert message == f"{model_name} version 1 was made by Ann Maker, who cannot approve it: ask another person"
    assert model_versions.champion_version(model_name) is None
    assert book().record().moves(model_name) == []


def test_what_nobody_is_known_to_have_made_is_not_approved(store, empty_home):
    register(MODEL, log(store.candidates[2], maker="unknown"), maker="unknown")
    message = refusal(promotions.approve, MODEL, 1, approver=APPROVER, change_request="CR-1")
    assert "no known maker" in message and "NIGHTBOOK_ACTOR" in message
    assert model_versions.champion_version(MODEL) is None


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
@pytest.mark.parametrize("missing", ["approver", "change_request"])
def test_promotion_needs_both_names(store, blank, missing):
    names = {"approver": "carol", "change_request": "CR-2"} | {missing: blank}
    expected = f"--{missing.replace('_', '-')} is empty: name the approver and the change request"
    assert refusal(promotions.approve, MODEL, 2, **names) == expected
    assert refusal(promotions.rollback, MODEL, **names) == expected
    assert model_versions.champion_version(MODEL) == 1


def test_unknown_version_lists_the_known_ones(store):
    names = {"approver": APPROVER, "change_request": "CR-2"}
    assert refusal(promotions.approve, MODEL, 9, **names) == f"{MODEL} has no version 9: registered versions are 1, 2"
    assert refusal(model_versions.load, "nobody_pd", 1) == (
        f"no registered model is called nobody_pd; registered: {' and '.join(model_versions.model_names())}"
    )


def test_champion_is_not_approved_again(store):
    message = refusal(promotions.approve, MODEL, 1, approver=APPROVER, change_request="CR-2")
    assert message == f"{MODEL} version 1 is already the champion: there is nothing to approve"
    assert len(book().record().moves(MODEL)) == 1


def test_no_store_is_not_made_by_asking(empty_home):
    assert model_versions.champion_version(MODEL) is None
    assert model_versions.model_names() == model_versions.version_numbers(MODEL) == []
    message = refusal(book().record().champion, MODEL)
    assert f"python orchestrate.py approve {MODEL} --version N --approver NAME --change-request ID" in message
    names = {"approver": APPROVER, "change_request": "CR-2"}
    assert "registered: none, train first" in refusal(promotions.approve, MODEL, 1, **names)
    assert refusal(promotions.rollback, MODEL, **names) == f"{MODEL} has no champion: there is nothing to roll back"
    assert list(empty_home.iterdir()) == []


def test_model_without_a_champion_in_a_store(model_name):
    assert model_versions.champion_version(model_name) is None
    assert "then approve a version with" in refusal(book().record().champion, model_name)
    message = refusal(promotions.rollback, model_name, approver=APPROVER, change_request="CR-2")
    assert message == f"{model_name} has no champion: there is nothing to roll back"


def test_homes_never_touch_each_other(store, empty_home, monkeypatch, tmp_path_factory):
    # By default, MLflow puts its store into the environment and artifacts under the working directory.
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    run = log(store.candidates[2])
    assert register(MODEL, run) == 1
    assert model_versions.champion_version(MODEL) is None
    assert list(elsewhere.iterdir()) == []
    assert list((empty_home / "mlflow-artifacts" / MODEL).rglob("model.ubj"))
    monkeypatch.setenv("NIGHTBOOK_HOME", str(store.home))
    assert book().record().champion(MODEL).digest == store.candidates[0].digest
    monkeypatch.setenv("NIGHTBOOK_HOME", str(empty_home))
    assert model_versions.load(MODEL, 1).digest == store.candidates[2].digest


def test_store_of_the_user_comes_first(store, empty_home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.home / 'mlflow.db'}")
    assert model_versions.load(MODEL, 1).digest == store.candidates[0].digest


def test_names_are_independent(store):
    first, second = new_model(store), new_model(store)
    promotions.approve(first, 3, approver=APPROVER, change_request="CR-1")
    assert model_versions.champion_version(first) == 3
    assert model_versions.champion_version(second) is None


@pytest.mark.parametrize("name", ["it's", '"', "'\"", "x' or name like '%", "a\\", "[risk]", "<b>", "\u202e"])
def test_a_name_that_is_a_search_of_its_own_is_a_name(store, name):
    """Somebody registers such a model by hand. Searches over all models must still work."""
    client = mlflow_store.client()
    client.create_registered_model(name)
    try:
        assert model_versions.version_numbers(name) == [] and model_versions.champion_version(name) is None
        assert {name, MODEL} <= set(model_versions.model_names())
    finally:
        client.delete_registered_model(name)


@pytest.mark.parametrize(("has_run", "said"), [(False, "so no training registered it"),
                                               (True, "MLflow run .* has no model: restore the registry")])  # fmt: skip
def test_a_version_that_belongs_to_no_training_is_refused(store, model_name, has_run, said):
    """Somebody registers a folder by hand, with the tags of a trained version."""
    client = mlflow_store.client()
    experiment = client.get_experiment_by_name(MODEL).experiment_id
    run = client.create_run(experiment).info.run_id if has_run else None
    tags = client.get_model_version(model_name, "1").tags
    made = client.create_model_version(model_name, str(store.home), run_id=run, tags=tags)
    assert re.search(said, refusal(model_versions.load, model_name, int(made.version)))
    if run:
        client.delete_run(run)
