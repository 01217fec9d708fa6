"""The files of a model: any change is noticed before use, any MLflow client reads them, none of them is code."""

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from lifecycle_store import APPROVER, MODEL, SPECS, book
from nightbook import boosting, frames, home, inference, promotions, registry, scoring
from nightbook.errors import NightbookError

NAMES = {"approver": APPROVER, "change_request": "CR-1"}


def files_of(run_id: str) -> dict[str, Path]:
    """The files of a run and of its model, by name."""
    client = mlflow.MlflowClient(home.registry_uri())
    run = client.get_run(run_id)
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    folders = [Path(uri.removeprefix("file://")) for uri in (run.info.artifact_uri, model.artifact_location)]
    return {path.name: path for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def spoil(store):
    """A function that changes or removes a file of a run; everything is put back afterwards."""
    before: dict[Path, bytes] = {}

    def change(run_id: str, name: str, flip: int | None) -> None:
        path = files_of(run_id)[name]
        before[path] = content = path.read_bytes()
        if flip is None:
            path.unlink()
        else:
            middle = len(content) // 2
            path.write_bytes(content[:middle] + bytes([content[middle] ^ flip]) + content[middle + 1 :])

    yield change
    for path, content in before.items():
        path.write_bytes(content)


FLIPS = [("model.ubj", 0x01), ("model.ubj", 0x80), ("nightbook.json", 0x01), ("nightbook.json", 0x80)]


@pytest.mark.parametrize(("file", "flip"), FLIPS)
def test_flipped_bit_is_noticed_wherever_the_model_is_used(store, model_name, spoil, file, flip):
    promotions.approve(model_name, 1, **NAMES)
    spoil(store.runs[0], file, flip)
    for use in (
        lambda: book().record().champion(model_name),
        lambda: registry.load(model_name, 1),
        lambda: registry.candidate(model_name, store.runs[0]),
        lambda: registry.register("another_pd", store.runs[0], maker="ann", run_id="run-1"),
        lambda: scoring.champions(book().record(), {model_name: None}),
    ):
        with pytest.raises(NightbookError, match=rf"^[^\n]*{file}[^\n]*restore (the artifact|it) or roll back$"):
            use()
    assert "another_pd" not in registry.model_names()


@pytest.mark.parametrize(("file", "flip"), FLIPS)
def test_flipped_bit_stops_the_alias(store, model_name, spoil, file, flip):
    promotions.approve(model_name, 1, **NAMES)
    promotions.approve(model_name, 2, **NAMES)
    before = book().record().moves(model_name)
    spoil(store.runs[0], file, flip)
    spoil(store.runs[2], file, flip)
    for number, move in ((3, lambda: promotions.approve(model_name, 3, **NAMES)),
                         (1, lambda: promotions.rollback(model_name, **NAMES))):  # fmt: skip
        with pytest.raises(NightbookError, match=f"^{model_name} version {number}: {file} "):
            move()
    assert book().record().champion(model_name).version == 2
    assert book().record().moves(model_name) == before


@pytest.mark.parametrize("file", ["model.ubj", "nightbook.json"])
def test_missing_file(store, model_name, spoil, file):
    promotions.approve(model_name, 1, **NAMES)
    spoil(store.runs[0], file, None)
    with pytest.raises(NightbookError, match=rf"^{model_name} version 1: its artifact cannot be read \(.+\): restore"):
        book().record().champion(model_name)
    with pytest.raises(NightbookError, match="cannot be read"):
        registry.register("another_pd", store.runs[0], maker="ann", run_id="run-1")


def test_runner_up_is_the_one_that_was_logged_or_is_not_used(store, spoil):
    content, digest = registry.runner_up(MODEL, store.runs[0])
    kept = store.candidates[0].runner_up
    assert (content, digest) == (kept.booster_bytes, kept.digest) and kept.algorithm != store.candidates[0].algorithm
    spoil(store.runs[0], "runner_up.ubj", 0x01)
    with pytest.raises(NightbookError, match=r"^account_pd candidate \w+: runner_up.ubj differs .*: train again$"):
        registry.runner_up(MODEL, store.runs[0])
    # Nothing that scores looks at it.
    assert registry.candidate(MODEL, store.runs[0]).digest == store.candidates[0].digest
    spoil(store.runs[1], "runner_up.ubj", None)
    with pytest.raises(NightbookError, match=r"runner_up.ubj cannot be read \(\w+\): train again$"):
        registry.runner_up(MODEL, store.runs[1])


def test_nothing_in_the_folder_is_code(store):
    for run in store.runs:
        files = files_of(run)
        assert set(files) <= {
            "model.ubj",
            "nightbook.json",
            "runner_up.ubj",
            "features.txt",
            "MLmodel",
            "requirements.txt",
            "conda.yaml",
            "python_env.yaml",
            "registered_model_meta",
        }
        assert files["model.ubj"].read_bytes()[:1] == b"{"
        described = yaml.safe_load(files["MLmodel"].read_text())
        assert set(described["flavors"]) == {"python_function", "xgboost"}
        assert described["flavors"]["python_function"]["loader_module"] == "mlflow.xgboost"
        assert described["flavors"]["xgboost"]["code"] is None
        assert described["flavors"]["xgboost"]["model_format"] == "ubj"
        assert described["flavors"]["xgboost"]["data"] == "model.ubj"
        assert files["features.txt"].read_text().split() == [spec.name for spec in SPECS]
        json.loads(files["nightbook.json"].read_bytes())


PLAIN_CLIENT = """
import sys
import mlflow
import numpy as np
import pandas as pd

names = [line.strip() for line in open(sys.argv[1])]
matrix = np.load(sys.argv[2])
model = mlflow.pyfunc.load_model("models:/account_pd@champion")
np.save(sys.argv[3], model.predict(pd.DataFrame(matrix, columns=names)))
"""


def test_plain_client_reads_the_same_pd(store, accounts, champion, matrix, tmp_path):
    np.save(tmp_path / "matrix.npy", matrix)
    environment = {
        "MLFLOW_TRACKING_URI": home.registry_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    paths = [str(files_of(store.runs[0])["features.txt"]), str(tmp_path / "matrix.npy"), str(tmp_path / "pd.npy")]
    subprocess.run([sys.executable, "-c", PLAIN_CLIENT, *paths], env=environment, cwd=tmp_path, check=True, timeout=120)
    scored = np.concatenate([batch["pd"].to_numpy() for batch in scoring.score(champion, accounts, "account_id")])
    read = np.load(tmp_path / "pd.npy")
    assert read.dtype == np.float32
    assert read.astype(np.float64).tobytes() == scored.tobytes()


def test_artifact_is_the_calibrated_model(store, table, champion):
    booster = inference.load_booster(champion.booster_bytes, champion.digest)
    is_validation = np.array(table["split"].to_pylist()) == "validation"
    pd = boosting.predict_pd(booster, frames.matrix(table, champion.features))[is_validation]
    assert pd.mean() == pytest.approx(table["is_default"].to_numpy()[is_validation].mean(), abs=1e-4)
    assert champion.model_name == MODEL
