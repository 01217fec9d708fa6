"""The model registry (MLflow): logged candidates, registered versions, and the alias `champion`.

Tags and aliases can be changed by anybody with write access to MLflow. So they count only if the warehouse's record
agrees (`record`).
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.registry import artifacts, mlflow_store
from nightbook.registry.store_reader import Registered, reader

CHAMPION = "champion"
MODEL_FILE = "model.ubj"
METADATA_FILE = "nightbook.json"
RUNNER_UP_FILE = "runner_up.ubj"
# Prefix of MLflow tags with the versions of a fit's libraries.
LIBRARY = "version."
# Tags of a version that the warehouse's record holds too.
_STATED = ("maker", "model_digest", "metadata_digest", "data_digest", "artifact_digest")
# How an address on this machine begins.
_LOCAL = "file:"


@dataclass(frozen=True)
class Model:
    """One trained model from the registry, its bytes checked against their recorded digests.

    booster_bytes: XGBoost's UBJSON. metadata: what `training.metadata` wrote. version: None if unregistered.
    """

    model_name: str
    version: int | None
    mlflow_run_id: str
    digest: str
    booster_bytes: bytes
    metadata: dict

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's inputs, in its order."""
        return tuple(self.metadata["features"])

    @property
    def metadata_digest(self) -> str:
        """SHA-256 of the metadata file that is stored with the model's file."""
        return _digest(_canonical(self.metadata).encode())


def log_candidate(
    model_name: str,
    booster_bytes: bytes,
    metadata: dict,
    *,
    tags: dict[str, str],
    metrics: dict[str, float],
    runner_up: bytes | None = None,
) -> str:
    """Write a candidate as an MLflow run with its model. Nothing is registered yet.

    A candidate with the same bytes, data, code and maker is logged only once. A training that is started again after it
    was killed continues with what it had logged. What it had logged only in part is deleted first, so only one process
    may train in a home.

    Args:
        model_name: the scoring model.
        booster_bytes: UBJSON of the calibrated booster.
        metadata: as `training.metadata`; digest, features, params and data_digest are read from it.
        tags: maker, run_id, git_commit and other facts for a reviewer.
        metrics: figures to log with the run.
        runner_up: UBJSON of the fit that was not selected. It is a plain file of the run, which cannot be registered.

    Returns:
        The MLflow run's id.

    Raises:
        NightbookError: MLflow wrote other bytes than those of the candidate.
    """
    import mlflow.xgboost
    import xgboost

    client = mlflow_store.client()
    experiment = _experiment(model_name)
    _delete_broken_off(experiment)
    digests = {
        "model_digest": metadata["digest"],
        "metadata_digest": _digest(_canonical(metadata).encode()),
        "data_digest": metadata["data_digest"],
    }
    logged = _logged_before(model_name, experiment, tags | digests)
    if logged is not None:
        return logged
    booster = xgboost.Booster()
    booster.load_model(bytearray(booster_bytes))
    run = client.create_run(
        experiment,
        run_name=f"{model_name} {metadata['algorithm']}",
        tags=tags | digests | {mlflow_store.ORIGIN: mlflow_store.origin()},
    )
    run_id = run.info.run_id
    for key, value in metadata["params"].items():
        # MLflow refuses long parameters. The constraints of 200 features are in the metadata file.
        if len(str(value)) <= 500:
            client.log_param(run_id, key, value)
    for key, value in metrics.items():
        client.log_metric(run_id, key, value)
    client.log_text(run_id, _canonical(metadata), METADATA_FILE)
    client.log_text(run_id, "\n".join(metadata["features"]) + "\n", "features.txt")
    if runner_up is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / RUNNER_UP_FILE
            file.write_bytes(runner_up)
            client.log_artifact(run_id, str(file))
    with mlflow.start_run(run_id=run_id):
        mlflow.xgboost.log_model(
            booster,
            name="model",
            model_format="ubj",
            pip_requirements=[f"xgboost=={xgboost.__version__}"],
        )
        written = _files_at(_location(run_id))
        if _digest(written[MODEL_FILE]) != metadata["digest"]:
            raise NightbookError(
                f"{model_name}: the artifact that MLflow wrote differs from the candidate; train again"
            )
        # Set before the run counts as finished, because its absence marks a run that was logged only in part.
        client.set_tag(run_id, "artifact_digest", artifacts.digest_of(written))
    return run_id


def _delete_broken_off(experiment: str) -> None:
    """Delete what killed trainings of this home logged in part. `mlflow gc` later frees the disk."""
    client = mlflow_store.client()
    broken_off = {
        run.info.run_id
        for run in client.search_runs([experiment], "attributes.status = 'RUNNING'")
        if run.data.tags.get(mlflow_store.ORIGIN) == mlflow_store.origin()
    }
    if not broken_off:
        return
    for model in client.search_logged_models([experiment]):
        if model.source_run_id in broken_off:
            client.delete_logged_model(model.model_id)
    for run_id in broken_off:
        client.set_terminated(run_id, "KILLED")
        client.delete_run(run_id)


def _logged_before(model_name: str, experiment: str, tags: dict[str, str]) -> str | None:
    """The MLflow run that holds this very candidate, complete. The dbt invocation that fitted it may differ."""
    found = mlflow_store.client().search_runs(
        [experiment],
        f"attributes.status = 'FINISHED' and tags.model_digest = '{tags['model_digest']}'",
        order_by=["attributes.start_time asc"],
    )
    for run in found:
        is_whole = "artifact_digest" in run.data.tags
        if is_whole and all(run.data.tags.get(key) == value for key, value in tags.items() if key != "run_id"):
            try:
                return candidate(model_name, run.info.run_id).mlflow_run_id
            except NightbookError:
                continue
    return None


def candidate(model_name: str, mlflow_run_id: str) -> Model:
    """A candidate as logged, registered or not."""
    return _checked(model_name, None, mlflow_run_id, reader().run_tags(mlflow_run_id), _location(mlflow_run_id))


def runner_up(model_name: str, mlflow_run_id: str) -> tuple[bytes, str] | None:
    """The fit that was not selected for a candidate, UBJSON and SHA-256. None if none was kept.

    Raises:
        NightbookError: its file is missing or differs from what was logged.
    """
    kept = candidate(model_name, mlflow_run_id).metadata.get("runner_up")
    if kept is None:
        return None
    try:
        content = _artifact_file(mlflow_run_id, RUNNER_UP_FILE)
    except Exception as error:
        raise NightbookError(
            f"{model_name} candidate {mlflow_run_id}: {RUNNER_UP_FILE} cannot be read ({type(error).__name__}): "
            "train again"
        ) from error
    if _digest(content) != kept["digest"]:
        raise NightbookError(
            f"{model_name} candidate {mlflow_run_id}: {RUNNER_UP_FILE} differs from what was logged: train again"
        )
    return content, kept["digest"]


def libraries(mlflow_run_id: str) -> dict[str, str]:
    """Versions of the libraries that a candidate was fitted with."""
    tags = reader().run_tags(mlflow_run_id)
    return {name.removeprefix(LIBRARY): value for name, value in sorted(tags.items()) if name.startswith(LIBRARY)}


def register(model_name: str, mlflow_run_id: str, *, maker: str, run_id: str) -> dict:
    """Register a logged candidate as a version of the model. The same candidate is never registered twice.

    Returns:
        model_version (its number), registered_at (UTC), and the digests that the candidate was logged with:
        model_digest, metadata_digest, data_digest, artifact_digest. artifact_digest is None if it was logged without.

    Raises:
        NightbookError: an artifact is missing or differs from what was logged.
    """
    from mlflow.exceptions import MlflowException

    client = mlflow_store.client()
    metadata = candidate(model_name, mlflow_run_id).metadata
    tags = reader().run_tags(mlflow_run_id)
    digests = {name: tags[name] for name in _STATED if name != "maker" and name in tags}
    # A version that somebody registered by hand has other tags or none, and could never be approved.
    same = [
        one
        for one in reader().versions(model_name)
        if one.run_id == mlflow_run_id and digests.items() <= one.tags.items()
    ]
    if same:
        number, registered_ms = same[0].number, same[0].registered_ms
    else:
        try:
            client.create_registered_model(model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        model_id = _model_id(mlflow_run_id)
        made = client.create_model_version(
            model_name,
            source=f"models:/{model_id}",
            run_id=mlflow_run_id,
            # A server refuses a source that belongs to no model.
            model_id=model_id,
            tags={
                **digests,
                "git_commit": tags.get("git_commit", ""),
                "algorithm": metadata["algorithm"],
                "maker": maker,
                "run_id": run_id,
            },
        )
        number, registered_ms = int(made.version), made.creation_timestamp
    return {
        "model_version": number,
        "registered_at": _utc(registered_ms),
        "artifact_digest": None,
        **digests,
    }


def champion_version(model_name: str) -> int | None:
    """The version that the alias names, None if there is none."""
    if not mlflow_store.exists():
        return None
    store = reader()
    named = store.aliases(model_name).get(CHAMPION)
    return next((one.number for one in store.versions(model_name) if one.number == named), None)


def load(model_name: str, version: int) -> Model:
    """Load a registered version and check its artifact's digest.

    Raises:
        NightbookError: the version is unknown, has no digests, is in another place, or its files differ.
    """
    found = {name: value for name, value in stated(model_name, version).items() if value is not None}
    if not {"mlflow_run_id", "model_digest", "metadata_digest"} <= found.keys():
        raise NightbookError(
            f"{model_name} version {version}: the registry has no digests of it, so no training registered it"
        )
    # MLflow's own clients read the version from here. It may differ from where its run logged the model.
    location = reader().version_location(model_name, version)
    logged = _location(found["mlflow_run_id"])
    if location.rstrip("/") != logged.rstrip("/"):
        raise NightbookError(
            f"{model_name} version {version}: its files are at {location}, but its run logged the model "
            f"at {logged}: MLflow's clients may read either; restore the registry"
        )
    return _checked(model_name, version, found["mlflow_run_id"], found, location)


def stated(model_name: str, version: int) -> dict[str, str | None]:
    """What the registry says of a version that the warehouse's record holds too. None for a missing tag."""
    found = _version(model_name, version)
    return {"mlflow_run_id": found.run_id, **{name: found.tags.get(name) for name in _STATED}}


def move_champion(model_name: str, version: int) -> None:
    """Move the alias to a version. Only for `promotions`, which has recorded the move before."""
    mlflow_store.client().set_registered_model_alias(model_name, CHAMPION, str(version))


def version_numbers(model_name: str) -> list[int]:
    """Every registered version, whoever registered it, in order."""
    if not mlflow_store.exists():
        return []
    return [version.number for version in reader().versions(model_name)]


def model_names() -> list[str]:
    """Every model that has a registered version, in alphabetical order."""
    if not mlflow_store.exists():
        return []
    return reader().model_names()


def _version(model_name: str, version: int) -> Registered:
    names = model_names()
    if model_name not in names:
        raise NightbookError(
            f"no registered model is called {model_name}; registered: {' and '.join(names) or 'none, train first'}"
        )
    found = {one.number: one for one in reader().versions(model_name)}
    if version not in found:
        known = ", ".join(str(number) for number in sorted(found))
        raise NightbookError(f"{model_name} has no version {version}: registered versions are {known}")
    return found[version]


def _checked(
    model_name: str, version: int | None, mlflow_run_id: str, digests: Mapping[str, str], location: str
) -> Model:
    label = f"{model_name} version {version}" if version else f"{model_name} candidate {mlflow_run_id}"
    try:
        written = _files_at(location)
        if MODEL_FILE not in written:
            raise FileNotFoundError(MODEL_FILE)
        text = _metadata_file(mlflow_run_id)
    except NightbookError as error:
        raise NightbookError(f"{label}: {error}: restore the artifact or roll back") from error
    except Exception as error:
        raise NightbookError(
            f"{label}: its artifact cannot be read ({type(error).__name__}): restore it or roll back"
        ) from error
    booster_bytes, digest = written[MODEL_FILE], digests["model_digest"]
    actual = _digest(booster_bytes)
    if actual != digest:
        raise NightbookError(
            f"{label}: {MODEL_FILE} has SHA-256 {actual[:16]}..., registered with {digest[:16]}...: "
            "restore the artifact or roll back"
        )
    if _digest(text) != digests["metadata_digest"]:
        raise NightbookError(f"{label}: {METADATA_FILE} differs from what was registered: restore it or roll back")
    # Versions from before this digest existed have none. Only the two files above are ever opened.
    whole = digests.get("artifact_digest")
    if whole is not None and artifacts.digest_of(written) != whole:
        raise NightbookError(
            f"{label}: a file of its artifact was changed, added or removed, and MLflow's clients may run the code "
            f"named in {', '.join(written)}: restore the artifact or roll back"
        )
    return Model(model_name, version, mlflow_run_id, digest, booster_bytes, json.loads(text))


def _files_at(location: str) -> dict[str, bytes]:
    return artifacts.files(_fetched(location))


def _metadata_file(mlflow_run_id: str) -> bytes:
    return _artifact_file(mlflow_run_id, METADATA_FILE)


def _artifact_file(mlflow_run_id: str, name: str) -> bytes:
    location = reader().run_location(mlflow_run_id)
    # Some stores of artifacts let only a run's own address in.
    folder = location if location.startswith(_LOCAL) else f"runs:/{mlflow_run_id}"
    return _fetched(f"{folder}/{name}").read_bytes()


def _fetched(location: str) -> Path:
    """A file or folder of an artifact: where it is, or where MLflow's client copies it from another machine."""
    if location.startswith(_LOCAL):
        return Path(url2pathname(urlsplit(location).path))
    mlflow_store.client()
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(location))


def _model_id(mlflow_run_id: str) -> str:
    logged = reader().model_ids(mlflow_run_id)
    if not logged:
        raise NightbookError(f"MLflow run {mlflow_run_id} has no model: restore the registry, or train again")
    return logged[0]


def _location(mlflow_run_id: str) -> str:
    """Where the files of a run's model are. If asked by another name of it, MLflow would write a note among them."""
    return reader().model_location(_model_id(mlflow_run_id))


def _experiment(model_name: str) -> str:
    client = mlflow_store.client()
    found = client.get_experiment_by_name(model_name)
    if found:
        return found.experiment_id
    is_embedded = home.registry_uri() == home.embedded_registry_uri()
    location = (home.artifacts() / model_name).as_uri() if is_embedded else None
    return client.create_experiment(model_name, artifact_location=location)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def _canonical(metadata: dict) -> str:
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"))
