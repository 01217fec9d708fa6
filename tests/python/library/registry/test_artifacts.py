"""A model's files: any change is noticed before use, any MLflow client can read them, and none of them is code."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from library_store import APPROVER, MODEL, SPECS, book, new_model
from nightbook.engine import frames, home
from nightbook.errors import NightbookError
from nightbook.registry import artifacts, model_versions, record
from nightbook.scoring import inference, scorer
from runner import promotions

from tests.python.copies import copy_store

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
    """A function that changes or removes a file of a run. Everything is restored afterwards."""
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
        lambda: model_versions.load(model_name, 1),
        lambda: model_versions.candidate(model_name, store.runs[0]),
        lambda: model_versions.register("another_pd", store.runs[0], maker="ann", run_id="run-1"),
        lambda: scorer.champions(book().record(), {model_name: None}),
    ):
        with pytest.raises(NightbookError, match=rf"^[^\n]*{file}[^\n]*restore (the artifact|it) or roll back$"):
            use()
    assert "another_pd" not in model_versions.model_names()


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
        model_versions.register("another_pd", store.runs[0], maker="ann", run_id="run-1")


def test_runner_up_is_the_one_that_was_logged_or_is_not_used(store, spoil):
    content, digest = model_versions.runner_up(MODEL, store.runs[0])
    kept = store.candidates[0].runner_up
    assert (content, digest) == (kept.booster_bytes, kept.digest) and kept.algorithm != store.candidates[0].algorithm
    spoil(store.runs[0], "runner_up.ubj", 0x01)
    with pytest.raises(NightbookError, match=r"^account_pd candidate \w+: runner_up.ubj differs .*: train again$"):
        model_versions.runner_up(MODEL, store.runs[0])
    # Scoring never reads it.
    assert model_versions.candidate(MODEL, store.runs[0]).digest == store.candidates[0].digest
    spoil(store.runs[1], "runner_up.ubj", None)
    with pytest.raises(NightbookError, match=r"runner_up.ubj cannot be read \(\w+\): train again$"):
        model_versions.runner_up(MODEL, store.runs[1])


# What an attacker with write access to the store could do: put the module that MLmodel names into the artifact.
PLANTED = """
from pathlib import Path

import mlflow.xgboost


def _load_pyfunc(path):
    Path(path, "..", "..", "ran").resolve().touch()
    return mlflow.xgboost._load_pyfunc(path)
"""


def _with_code(folder: Path) -> None:
    described = yaml.safe_load((folder / "MLmodel").read_text())
    described["flavors"]["python_function"] |= {"loader_module": "planted", "code": "code"}
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    (folder / "code").mkdir()
    (folder / "code" / "planted.py").write_text(PLANTED)


def _exchanged(folder: Path, name: str, make) -> None:
    (folder / name).unlink()
    make(folder / name)


def _linked(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "elsewhere")
    _exchanged(folder, "MLmodel", lambda file: file.symlink_to("../elsewhere/MLmodel"))


def _linked_folder(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder / "code").symlink_to("../elsewhere")


FAULTS = {
    "code": (_with_code, "was changed, added or removed"),
    "MLmodel": (lambda folder: (folder / "MLmodel").write_text("flavors: {}\n"), "was changed, added or removed"),
    "no MLmodel": (lambda folder: (folder / "MLmodel").unlink(), "was changed, added or removed"),
    "requirements": (
        lambda folder: (folder / "requirements.txt").write_text("evil==1\n"),
        "was changed, added or removed",
    ),
    "conda.yaml": (lambda folder: (folder / "conda.yaml").unlink(), "was changed, added or removed"),
    "one more file": (lambda folder: (folder / ".pth").write_text("import evil"), "was changed, added or removed"),
    "another name": (
        lambda folder: (folder / "conda.yaml").rename(folder / "Conda.yaml"),
        "was changed, added or removed",
    ),
    "a link": (_linked, "MLmodel is a link"),
    "a folder that is a link": (_linked_folder, "code is a link"),
    "a pipe": (lambda folder: os.mkfifo(folder / "pipe"), "pipe is neither a file nor a folder"),
    "a line in a name": (lambda folder: (folder / "a\nb").touch(), "an artifact must not have a file with this name"),
    "a note that is none": (
        lambda folder: (folder / "registered_model_meta").write_text("import evil\n"),
        "was changed, added or removed",
    ),
    "a note elsewhere": (
        lambda folder: (
            _exchanged(folder, "python_env.yaml", Path.mkdir)
            or (folder / "python_env.yaml" / "registered_model_meta").write_text("model_name: a\nmodel_version: 1\n")
        ),
        "was changed, added or removed",
    ),
}


@pytest.fixture
def artifact(store, model_name) -> Path:
    """The champion's artifact folder of `model_name`, which a test may change. Everything is restored afterwards."""
    promotions.approve(model_name, 1, **NAMES)
    folder = files_of(store.runs[0])["MLmodel"].parent
    kept = folder.parent / "kept"
    shutil.copytree(folder, kept)
    yield folder
    shutil.rmtree(folder)
    kept.rename(folder)
    shutil.rmtree(folder.parent / "elsewhere", ignore_errors=True)


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS)
def test_no_file_of_an_artifact_changes_unseen(store, model_name, artifact, fault, said):
    waiting = new_model(store, versions=1)
    fault(artifact)
    for use in (
        lambda: model_versions.load(model_name, 1),
        lambda: model_versions.candidate(model_name, store.runs[0]),
        lambda: model_versions.register("another_pd", store.runs[0], maker="ann", run_id="run-1"),
        lambda: scorer.champions(book().record(), {model_name: None}),
        lambda: scorer.champions(book().record(), {model_name: None}, f"{model_name}=1"),
        lambda: promotions.approve(waiting, 1, **NAMES),
        lambda: record.check(book().record(), [model_name], {}),
    ):
        with pytest.raises(NightbookError, match=rf"^[^\n]*{said}[^\n]*restore the artifact or roll back$"):
            use()
    assert "another_pd" not in model_versions.model_names()


def _client_of(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Another client of the home's registry, without this project."""
    environment = {
        "MLFLOW_TRACKING_URI": home.registry_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)


def test_code_in_an_artifact_runs_in_other_clients_unless_they_check(store, model_name, artifact, tmp_path):
    """Runs the check of docs/other_clients.md exactly as printed, before and after code is planted."""
    page = (Path(__file__).parents[4] / "docs" / "other_clients.md").read_text()
    [snippet] = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    digest = book().record().version(model_name, 1).artifact_digest
    checked = re.sub(r"(?m)^MODEL, DIGEST = .*$", f'MODEL, DIGEST = "models:/{model_name}/1", "{digest}"', snippet)
    assert checked.count(digest) == 1
    # Neither the check nor the note that MLflow writes into a folder store changes the artifact.
    done = _client_of(f"{checked}\nmlflow.pyfunc.load_model('models:/{model_name}@champion')", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (artifact / "registered_model_meta").exists() and model_versions.load(model_name, 1).version == 1
    shell = page.partition("In a shell the digest is\n  `")[2].partition("`")[0]
    summed = subprocess.run(shell, shell=True, cwd=artifact, capture_output=True, text=True, check=True)
    assert summed.stdout.split()[0] == digest == artifacts.digest(artifact)

    _with_code(artifact)
    ran = artifact.parent / "ran"
    done = _client_of(checked, tmp_path)
    assert done.returncode == 1 and "is not what was registered: it is not loaded" in done.stderr
    with pytest.raises(NightbookError, match="MLflow's clients may run"):
        model_versions.load(model_name, 1)
    assert not list(tmp_path.rglob("ran")) and not ran.exists()
    # Proves the fault: without the check, the code runs.
    unchecked = f"import mlflow\nmlflow.pyfunc.load_model('models:/{model_name}@champion')"
    assert _client_of(unchecked, tmp_path).returncode == 0
    assert ran.exists()
    ran.unlink()


@pytest.mark.parametrize(
    "change",
    [
        "update model_versions set storage_location = 'file://{}' where name = '{}'",
        "update logged_models set artifact_location = 'file://{}' where '{}' <> ''",
    ],
)
def test_a_version_that_leads_some_clients_elsewhere_is_refused(store, empty_home, tmp_path, change):
    """MLflow's clients find files by version in one place and by run in another. Both must be the same."""
    copy_store(store.home, empty_home)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(files_of(store.runs[0])["MLmodel"].parent, elsewhere)
    with sqlite3.connect(empty_home / "mlflow.db") as database:
        database.execute(change.format(elsewhere, MODEL))
    with pytest.raises(
        NightbookError, match=f"^{MODEL} version 1: its files are at .*MLflow's clients may read either"
    ):
        model_versions.load(MODEL, 1)


def test_a_candidate_has_its_digest_before_its_run_counts_as_finished(store):
    run = mlflow.MlflowClient(home.registry_uri()).get_run(store.runs[0])
    folder = files_of(store.runs[0])["MLmodel"].parent
    assert run.data.tags["artifact_digest"] == artifacts.digest(folder)
    assert set(artifacts.files(folder)) == {
        "MLmodel",
        "conda.yaml",
        "model.ubj",
        "python_env.yaml",
        "requirements.txt",
    }


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
    paths = [str(files_of(store.runs[0])["features.txt"]), str(tmp_path / "matrix.npy"), str(tmp_path / "pd.npy")]
    done = _client_of(PLAIN_CLIENT, tmp_path, *paths)
    assert done.returncode == 0, done.stderr
    scored = np.concatenate([batch["pd"].to_numpy() for batch in scorer.score(champion, accounts, "account_id")])
    read = np.load(tmp_path / "pd.npy")
    assert read.dtype == np.float32
    assert read.astype(np.float64).tobytes() == scored.tobytes()


def test_artifact_is_the_calibrated_model(store, portfolio, champion):
    booster = inference.load_booster(champion.booster_bytes, champion.digest)
    is_validation = np.array(portfolio["split"].to_pylist()) == "validation"
    pd = inference.predict_pd(booster, frames.matrix(portfolio, champion.features))[is_validation]
    assert pd.mean() == pytest.approx(portfolio["is_default"].to_numpy()[is_validation].mean(), abs=1e-4)
    assert champion.model_name == MODEL
