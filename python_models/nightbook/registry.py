"""The model registry (MLflow): what was trained, what was registered, who approved what, which version is champion.

The registry decides what scores. The alias `champion` moves only through `approve` and `rollback`, and each move is
recorded beside the alias, in the registry itself, before the alias moves.
"""

import functools
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from nightbook import home
from nightbook.errors import NightbookError

CHAMPION = "champion"
MODEL_FILE = "model.ubj"
METADATA_FILE = "nightbook.json"
_PROMOTION = "promotion."
# Tags of an MLflow run that name the libraries of a fit.
LIBRARY = "version."
_CARRIED_OUT = "carried_out."

VERSION_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("mlflow_run_id", pa.string()),
        ("model_digest", pa.string()),
        ("algorithm", pa.string()),
        ("maker", pa.string()),
        ("run_id", pa.string()),
        ("registered_at", pa.timestamp("us")),
        ("metadata_digest", pa.string()),
        ("data_digest", pa.string()),
        ("git_commit", pa.string()),
        ("is_champion", pa.bool_()),
        ("approver", pa.string()),
        ("change_request", pa.string()),
        ("approved_at", pa.timestamp("us")),
    ]
)

PROMOTION_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("sequence", pa.int32()),
        ("action", pa.string()),
        ("model_version", pa.int32()),
        ("previous_version", pa.int32()),
        ("approver", pa.string()),
        ("change_request", pa.string()),
        ("actor", pa.string()),
        ("promoted_at", pa.timestamp("us")),
    ]
)


@dataclass(frozen=True)
class Model:
    """One trained model as the registry holds it, its bytes checked against their recorded digests.

    booster_bytes: XGBoost's UBJSON. metadata: what `training.metadata` wrote. version: None while unregistered.
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


@dataclass(frozen=True)
class Version:
    """One registered version and how it came about; times are UTC."""

    model_name: str
    model_version: int
    mlflow_run_id: str
    model_digest: str
    algorithm: str
    maker: str
    run_id: str
    registered_at: datetime
    metadata_digest: str
    data_digest: str
    git_commit: str
    is_champion: bool
    approver: str | None
    change_request: str | None
    approved_at: datetime | None


@dataclass(frozen=True)
class Promotion:
    """One move of the alias; sequence counts from 1 within a model, times are UTC."""

    model_name: str
    sequence: int
    action: str
    model_version: int
    previous_version: int | None
    approver: str
    change_request: str
    actor: str
    promoted_at: datetime


def log_candidate(
    model_name: str, booster_bytes: bytes, metadata: dict, *, tags: dict[str, str], metrics: dict[str, float]
) -> str:
    """Write a candidate as an MLflow run with its model; nothing is registered yet.

    Args:
        booster_bytes: UBJSON of the calibrated booster.
        metadata: as `training.metadata`; digest, features, params and data_digest are read from it.
        tags: maker, run_id, git_commit and whatever else a reviewer asks for first.

    Returns:
        The MLflow run's id.
    """
    import mlflow.xgboost
    import xgboost

    client = _client()
    booster = xgboost.Booster()
    booster.load_model(bytearray(booster_bytes))
    run = client.create_run(_experiment(model_name), run_name=f"{model_name} {metadata['algorithm']}")
    run_id = run.info.run_id
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    client.set_tag(run_id, "model_digest", metadata["digest"])
    client.set_tag(run_id, "metadata_digest", _digest(_canonical(metadata).encode()))
    client.set_tag(run_id, "data_digest", metadata["data_digest"])
    for key, value in metadata["params"].items():
        # The constraints of 200 features are in the metadata file; a parameter of that length is refused.
        if len(str(value)) <= 500:
            client.log_param(run_id, key, value)
    for key, value in metrics.items():
        client.log_metric(run_id, key, value)
    client.log_text(run_id, _canonical(metadata), METADATA_FILE)
    client.log_text(run_id, "\n".join(metadata["features"]) + "\n", "features.txt")
    with mlflow.start_run(run_id=run_id):
        mlflow.xgboost.log_model(
            booster,
            name="model",
            model_format="ubj",
            pip_requirements=[f"xgboost=={xgboost.__version__}"],
        )
    written = _read_model_file(run_id)
    if _digest(written) != metadata["digest"]:
        raise NightbookError(f"{model_name}: the artifact that MLflow wrote differs from the candidate; train again")
    return run_id


def candidate(model_name: str, mlflow_run_id: str) -> Model:
    """A candidate as logged, registered or not."""
    tags = _client().get_run(mlflow_run_id).data.tags
    return _checked(model_name, None, mlflow_run_id, tags["model_digest"], tags["metadata_digest"])


def libraries(mlflow_run_id: str) -> dict[str, str]:
    """Versions of the libraries that a candidate was fitted with."""
    tags = _client().get_run(mlflow_run_id).data.tags
    return {name.removeprefix(LIBRARY): value for name, value in sorted(tags.items()) if name.startswith(LIBRARY)}


def register(model_name: str, mlflow_run_id: str, *, maker: str, run_id: str) -> int:
    """Make a logged candidate a version of the model; the same candidate is never registered twice.

    Returns:
        The version's number.

    Raises:
        NightbookError: an artifact is missing or is not the one that was logged.
    """
    from mlflow.exceptions import MlflowException

    client = _client()
    for version in _versions(model_name):
        if version.run_id == mlflow_run_id:
            return int(version.version)
    metadata = candidate(model_name, mlflow_run_id).metadata
    tags = client.get_run(mlflow_run_id).data.tags
    try:
        client.create_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        model_name,
        source=_model_uri(mlflow_run_id),
        run_id=mlflow_run_id,
        tags={
            "model_digest": tags["model_digest"],
            "metadata_digest": tags["metadata_digest"],
            "data_digest": tags["data_digest"],
            "git_commit": tags.get("git_commit", ""),
            "algorithm": metadata["algorithm"],
            "maker": maker,
            "run_id": run_id,
        },
    )
    return int(version.version)


def champion_version(model_name: str) -> int | None:
    """The version that the alias names, None where nobody has approved one."""
    if not _store_exists():
        return None
    for version in _versions(model_name):
        if CHAMPION in _aliases(model_name).get(int(version.version), ()):
            return int(version.version)
    return None


def champion(model_name: str) -> Model:
    """The version that scores, with its artifact's digest checked.

    Raises:
        NightbookError: there is none, the alias was moved by other means than `approve` and `rollback`, or an artifact
            is missing or is not the one that was registered.
    """
    number = champion_version(model_name)
    if number is None:
        raise NightbookError(
            f"{model_name} has no champion: train it, then approve a version with "
            f"`python orchestrate.py approve {model_name} --version N --approver NAME --change-request ID`"
        )
    moves = _carried_out(model_name, number)
    if not moves or moves[-1].model_version != number:
        raise NightbookError(
            f"{model_name}: the alias {CHAMPION} names version {number}, which no recorded approval put there: "
            f"approve a version with `python orchestrate.py approve {model_name} ...` to settle who answers for it"
        )
    return load(model_name, number)


def champion_at(model_name: str, moment: datetime) -> int | None:
    """The version that was champion at a moment, UTC; None before the first approval."""
    if model_name not in model_names():
        return None
    moves = [move for move in _carried_out(model_name, champion_version(model_name)) if move.promoted_at <= moment]
    return moves[-1].model_version if moves else None


def load(model_name: str, version: int) -> Model:
    """A registered version, whichever it is, with its artifact's digest checked."""
    found = _version(model_name, version)
    return _checked(model_name, version, found.run_id, found.tags["model_digest"], found.tags["metadata_digest"])


def approve(model_name: str, version: int, *, approver: str, change_request: str) -> Promotion:
    """Move the alias to a version, on the word of somebody other than its maker.

    Raises:
        NightbookError: no such version, already champion, the approver made it, or a name is missing.
    """
    approver, change_request = _named(approver, change_request)
    found = _version(model_name, version)
    maker = found.tags["maker"]
    if _same_person(maker, approver):
        raise NightbookError(
            f"{model_name} version {version} was made by {maker}, who cannot approve it: ask somebody else to"
        )
    current = champion_version(model_name)
    if current == version:
        raise NightbookError(f"{model_name} version {version} is champion already: nothing to approve")
    return _promote(model_name, "approve", version, current, approver, change_request)


def rollback(model_name: str, *, approver: str, change_request: str) -> Promotion:
    """Move the alias back to the version that was champion before this one.

    Raises:
        NightbookError: there is no earlier champion, or a name is missing.
    """
    approver, change_request = _named(approver, change_request)
    current = champion_version(model_name)
    if current is None:
        raise NightbookError(f"{model_name} has no champion: there is nothing to roll back")
    earlier = _reign(_carried_out(model_name, current))[:-1]
    if not earlier:
        raise NightbookError(f"{model_name} version {current} is its first champion: there is none to go back to")
    return _promote(model_name, "rollback", earlier[-1], current, approver, change_request)


def model_names() -> list[str]:
    """Every model that has a registered version, in alphabetical order."""
    if not _store_exists():
        return []
    return sorted(model.name for model in _client().search_registered_models())


def versions(model_name: str) -> list[Version]:
    """Every registered version, oldest first."""
    aliases = _aliases(model_name)
    current = next((number for number, names in aliases.items() if CHAMPION in names), None)
    approvals = {move.model_version: move for move in _carried_out(model_name, current)}
    rows = []
    for version in sorted(_versions(model_name), key=lambda found: int(found.version)):
        number = int(version.version)
        approval = approvals.get(number)
        rows.append(
            Version(
                model_name=model_name,
                model_version=number,
                mlflow_run_id=version.run_id,
                model_digest=version.tags["model_digest"],
                algorithm=version.tags["algorithm"],
                maker=version.tags["maker"],
                run_id=version.tags["run_id"],
                registered_at=_utc(version.creation_timestamp),
                metadata_digest=version.tags["metadata_digest"],
                data_digest=version.tags["data_digest"],
                git_commit=version.tags["git_commit"],
                is_champion=CHAMPION in aliases.get(number, ()),
                approver=approval and approval.approver,
                change_request=approval and approval.change_request,
                approved_at=approval and approval.promoted_at,
            )
        )
    return rows


def promotions(model_name: str) -> list[Promotion]:
    """Every move of the alias, oldest first."""
    tags = _client().get_registered_model(model_name).tags
    found = []
    for key in sorted(key for key in tags if key.startswith(_PROMOTION)):
        record = json.loads(tags[key])
        found.append(Promotion(**{**record, "promoted_at": datetime.fromisoformat(record["promoted_at"])}))
    return found


def all_versions() -> list[dict]:
    """Every version of every model, as rows of `VERSION_SCHEMA`."""
    return [asdict(version) for name in model_names() for version in versions(name)]


def all_promotions() -> list[dict]:
    """Every move of every alias, as rows of `PROMOTION_SCHEMA`."""
    return [asdict(promotion) for name in model_names() for promotion in promotions(name)]


def _promote(
    model_name: str, action: str, version: int, previous: int | None, approver: str, change_request: str
) -> Promotion:
    # The artifact is checked now: an approval of bytes that cannot score would stop every night until it is undone.
    load(model_name, version)
    promotion = Promotion(
        model_name=model_name,
        sequence=len(promotions(model_name)) + 1,
        action=action,
        model_version=version,
        previous_version=previous,
        approver=approver,
        change_request=change_request,
        actor=home.actor(),
        promoted_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
    )
    client = _client()
    record = asdict(promotion) | {"promoted_at": promotion.promoted_at.isoformat()}
    client.set_registered_model_tag(model_name, f"{_PROMOTION}{promotion.sequence:06d}", json.dumps(record))
    client.set_registered_model_alias(model_name, CHAMPION, str(version))
    client.set_registered_model_tag(model_name, f"{_CARRIED_OUT}{promotion.sequence:06d}", "true")
    return promotion


def _carried_out(model_name: str, current: int | None) -> list[Promotion]:
    """Promotions without those that a process recorded and then died before it moved the alias.

    A move is marked once it is done. One that is not was done all the same if what came next started from its version:
    the process died between the move and the mark.
    """
    tags = _client().get_registered_model(model_name).tags
    moves = promotions(model_name)
    found_after = [*(move.previous_version for move in moves[1:]), current]
    return [
        move
        for move, after in zip(moves, found_after, strict=False)
        if f"{_CARRIED_OUT}{move.sequence:06d}" in tags or after == move.model_version
    ]


def _reign(moves: Sequence[Promotion]) -> list[int]:
    """Champions that a rollback can go back through, the current one last."""
    reign: list[int] = []
    for move in moves:
        if move.action == "rollback":
            reign.pop()
        else:
            reign.append(move.model_version)
    return reign


def _named(approver: str, change_request: str) -> Sequence[str]:
    for value, option in ((approver, "--approver"), (change_request, "--change-request")):
        if not value or not value.strip():
            raise NightbookError(f"{option} is empty: name who approves and under which change request")
    return approver.strip(), change_request.strip()


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _version(model_name: str, version: int):
    names = model_names()
    if model_name not in names:
        raise NightbookError(
            f"no registered model is called {model_name}: there is {' and '.join(names) or 'none; train first'}"
        )
    found = {int(one.version): one for one in _versions(model_name)}
    if version not in found:
        known = ", ".join(str(number) for number in sorted(found))
        raise NightbookError(f"{model_name} has no version {version}: registered versions are {known}")
    return found[version]


def _versions(model_name: str) -> list:
    return list(_client().search_model_versions(f"name = '{model_name}'"))


def _aliases(model_name: str) -> dict[int, list[str]]:
    from mlflow.exceptions import MlflowException

    try:
        model = _client().get_registered_model(model_name)
    except MlflowException:
        return {}
    aliases: dict[int, list[str]] = {}
    for alias, version in model.aliases.items():
        aliases.setdefault(int(version), []).append(alias)
    return aliases


def _checked(model_name: str, version: int | None, mlflow_run_id: str, digest: str, metadata_digest: str) -> Model:
    label = f"{model_name} version {version}" if version else f"{model_name} candidate {mlflow_run_id}"
    try:
        booster_bytes = _read_model_file(mlflow_run_id)
        text = _metadata_file(mlflow_run_id)
    except Exception as error:
        if isinstance(error, NightbookError):
            raise
        raise NightbookError(
            f"{label}: its artifact cannot be read ({type(error).__name__}): restore it or roll back"
        ) from error
    actual = _digest(booster_bytes)
    if actual != digest:
        raise NightbookError(
            f"{label}: {MODEL_FILE} has SHA-256 {actual[:16]}..., registered was {digest[:16]}...: "
            "restore the artifact or roll back"
        )
    if _digest(text) != metadata_digest:
        raise NightbookError(f"{label}: {METADATA_FILE} differs from what was registered: restore it or roll back")
    return Model(model_name, version, mlflow_run_id, digest, booster_bytes, json.loads(text))


def _read_model_file(mlflow_run_id: str) -> bytes:
    import mlflow

    return (Path(mlflow.artifacts.download_artifacts(_model_uri(mlflow_run_id))) / MODEL_FILE).read_bytes()


def _metadata_file(mlflow_run_id: str) -> bytes:
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"runs:/{mlflow_run_id}/{METADATA_FILE}")).read_bytes()


def _model_uri(mlflow_run_id: str) -> str:
    outputs = _client().get_run(mlflow_run_id).outputs.model_outputs
    return f"models:/{outputs[0].model_id}"


def _experiment(model_name: str) -> str:
    client = _client()
    found = client.get_experiment_by_name(model_name)
    if found:
        return found.experiment_id
    is_embedded = home.registry_uri() == home.embedded_registry_uri()
    location = (home.artifacts() / model_name).as_uri() if is_embedded else None
    return client.create_experiment(model_name, artifact_location=location)


def _store_exists() -> bool:
    """Whether asking the store makes sense; a new SQLite store takes seconds to make, only to say that it is empty."""
    uri = home.registry_uri()
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).exists()


def _client():
    uri = home.registry_uri()
    client = _client_of(uri)
    _point_mlflow_at(uri)
    return client


@functools.lru_cache(maxsize=4)
def _client_of(uri: str):
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return mlflow.MlflowClient(uri, uri)


def _point_mlflow_at(uri: str) -> None:
    """Make `uri` the store of MLflow's module-level functions.

    MLflow also writes it into the environment, where it would pass for the user's choice of a store ever after: another
    home would be ignored.
    """
    import mlflow

    if mlflow.get_tracking_uri() == uri == mlflow.get_registry_uri():
        return
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def _canonical(metadata: dict) -> str:
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"))
