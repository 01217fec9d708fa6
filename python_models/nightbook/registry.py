"""The model registry (MLflow): what was trained, what was registered, who approved what, which version is champion.

The registry decides what scores. The alias `champion` moves only through `approve` and `rollback`, and each move is
recorded beside the alias, in the registry itself, before the alias moves.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from nightbook import home, mlflow_store
from nightbook.errors import NightbookError

CHAMPION = "champion"
# Who makes a version in a run that was given no name and has no login (macro actor).
NOBODY = "unknown"
MODEL_FILE = "model.ubj"
METADATA_FILE = "nightbook.json"
RUNNER_UP_FILE = "runner_up.ubj"
_PROMOTION = "promotion."
# Tags of an MLflow run that name the libraries of a fit.
LIBRARY = "version."
_CARRIED_OUT = "carried_out."
_REPORTED = "reported."
# Tag of an MLflow run: the home that logged it.
_ORIGIN = "nightbook.origin"

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
    model_name: str,
    booster_bytes: bytes,
    metadata: dict,
    *,
    tags: dict[str, str],
    metrics: dict[str, float],
    runner_up: bytes | None = None,
) -> str:
    """Write a candidate as an MLflow run with its model; nothing is registered yet.

    The same candidate, of the same bytes, data, code and maker, is logged once: a training that is started again goes
    on with what it had logged before it was killed. What it had not logged to the end is deleted first, so the caller
    must be the only one who trains in this home.

    Args:
        booster_bytes: UBJSON of the calibrated booster.
        metadata: as `training.metadata`; digest, features, params and data_digest are read from it.
        tags: maker, run_id, git_commit and whatever else a reviewer asks for first.
        runner_up: UBJSON of the fit that was not selected: a plain file of the run, which nothing can register.

    Returns:
        The MLflow run's id.
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
        tags=tags | digests | {_ORIGIN: mlflow_store.origin()},
    )
    run_id = run.info.run_id
    for key, value in metadata["params"].items():
        # The constraints of 200 features are in the metadata file; a parameter of that length is refused.
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
    written = _read_model_file(run_id)
    if _digest(written) != metadata["digest"]:
        raise NightbookError(f"{model_name}: the artifact that MLflow wrote differs from the candidate; train again")
    return run_id


def _delete_broken_off(experiment: str) -> None:
    """Delete what killed trainings of this home left half logged; `mlflow gc` clears the disk of what is deleted."""
    client = mlflow_store.client()
    broken_off = {
        run.info.run_id
        for run in client.search_runs([experiment], "attributes.status = 'RUNNING'")
        if run.data.tags.get(_ORIGIN) == mlflow_store.origin()
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
    """The MLflow run that holds this very candidate, whole; which dbt invocation had fitted it does not matter."""
    found = mlflow_store.client().search_runs(
        [experiment],
        f"attributes.status = 'FINISHED' and tags.model_digest = '{tags['model_digest']}'",
        order_by=["attributes.start_time asc"],
    )
    for run in found:
        if all(run.data.tags.get(key) == value for key, value in tags.items() if key != "run_id"):
            try:
                return candidate(model_name, run.info.run_id).mlflow_run_id
            except NightbookError:
                continue
    return None


def candidate(model_name: str, mlflow_run_id: str) -> Model:
    """A candidate as logged, registered or not."""
    tags = mlflow_store.client().get_run(mlflow_run_id).data.tags
    return _checked(model_name, None, mlflow_run_id, tags["model_digest"], tags["metadata_digest"])


def runner_up(model_name: str, mlflow_run_id: str) -> tuple[bytes, str] | None:
    """The fit that was not selected for a candidate, UBJSON and SHA-256; None where there was none to keep.

    Raises:
        NightbookError: its file is missing or is not the one that was logged.
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
    tags = mlflow_store.client().get_run(mlflow_run_id).data.tags
    return {name.removeprefix(LIBRARY): value for name, value in sorted(tags.items()) if name.startswith(LIBRARY)}


def register(model_name: str, mlflow_run_id: str, *, maker: str, run_id: str) -> int:
    """Make a logged candidate a version of the model; the same candidate is never registered twice.

    Returns:
        The version's number.

    Raises:
        NightbookError: an artifact is missing or is not the one that was logged.
    """
    from mlflow.exceptions import MlflowException

    client = mlflow_store.client()
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
        # A server refuses a source that it cannot tie to a model.
        model_id=_model_uri(mlflow_run_id).removeprefix("models:/"),
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
    if not mlflow_store.exists():
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
    tags = _tags(model_name)
    moves = [move for move in _carried_out(model_name, champion_version(model_name)) if _moved_at(move, tags) <= moment]
    return moves[-1].model_version if moves else None


def load(model_name: str, version: int) -> Model:
    """A registered version, whichever it is, with its artifact's digest checked."""
    found = _version(model_name, version)
    return _checked(model_name, version, found.run_id, found.tags["model_digest"], found.tags["metadata_digest"])


def approve(model_name: str, version: int, *, approver: str, change_request: str) -> Promotion:
    """Move the alias to a version, on the word of somebody other than its maker.

    Raises:
        NightbookError: no such version, already champion, made by the approver or nobody known, or a name is missing.
    """
    approver, change_request = _named(approver, change_request)
    found = _version(model_name, version)
    maker = found.tags["maker"]
    if maker == NOBODY:
        raise NightbookError(
            f"{model_name} version {version} has no known maker, so nobody is known to be another: train again with "
            "NIGHTBOOK_ACTOR set"
        )
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


def resumed(
    model_name: str, action: str, version: int | None, *, approver: str, change_request: str
) -> Promotion | None:
    """Finish the last promotion where it is the very one that is asked for and was broken off before it was reported.

    Args:
        action: approve or rollback.
        version: to be approved; None for a rollback.

    Returns:
        The promotion as it was recorded, carried out now if it had not been; None where what is asked for is new.

    Raises:
        NightbookError: the version's artifact is missing or is not the one that was registered, or a name is missing.
    """
    approver, change_request = _named(approver, change_request)
    if model_name not in model_names():
        return None
    moves, tags = promotions(model_name), _tags(model_name)
    if not moves:
        return None
    last, current = moves[-1], champion_version(model_name)
    carried_out = tags.get(f"{_CARRIED_OUT}{last.sequence:06d}")
    asked = (action, last.model_version if version is None else version, approver, change_request, home.actor())
    has_moved = current == last.model_version
    was_killed_before = carried_out is None and current == last.previous_version
    if (
        asked != (last.action, last.model_version, last.approver, last.change_request, last.actor)
        or f"{_REPORTED}{last.sequence:06d}" in tags
        # Of an earlier version of this library, which did not note what it had reported.
        or carried_out == "true"
        or not (has_moved or was_killed_before)
    ):
        return None
    if was_killed_before:
        load(model_name, last.model_version)
        # Now, which may be days after the word was given.
        _carry_out(last)
    elif carried_out is None:
        _mark(last, last.promoted_at)
    return last


def reported(promotion: Promotion) -> None:
    """Note that who asked for a promotion was told of it: the same words are a new request from now on."""
    tag = f"{_REPORTED}{promotion.sequence:06d}"
    mlflow_store.client().set_registered_model_tag(promotion.model_name, tag, "true")


def check(model_names: Iterable[str], pinned: Mapping[str, int]) -> None:
    """See, before anything is computed, that what would score can.

    Args:
        model_names: models of which a champion would score; one that has none is not asked for.
        pinned: model name -> version that would score in the champion's place.

    Raises:
        NightbookError: as `load` and `champion`, or the store does not answer.
    """
    for name in model_names:
        if name in pinned:
            load(name, pinned[name])
        elif champion_version(name) is not None:
            champion(name)


def model_names() -> list[str]:
    """Every model that has a registered version, in alphabetical order."""
    if not mlflow_store.exists():
        return []
    return sorted(model.name for model in mlflow_store.client().search_registered_models())


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
    tags = _tags(model_name)
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
        promoted_at=_now(),
    )
    record = asdict(promotion) | {"promoted_at": promotion.promoted_at.isoformat()}
    mlflow_store.client().set_registered_model_tag(
        model_name, f"{_PROMOTION}{promotion.sequence:06d}", json.dumps(record)
    )
    _carry_out(promotion)
    return promotion


def _carry_out(promotion: Promotion) -> None:
    mlflow_store.client().set_registered_model_alias(promotion.model_name, CHAMPION, str(promotion.model_version))
    _mark(promotion, _now())


def _mark(promotion: Promotion, moved_at: datetime) -> None:
    tag = f"{_CARRIED_OUT}{promotion.sequence:06d}"
    mlflow_store.client().set_registered_model_tag(promotion.model_name, tag, moved_at.isoformat())


def _carried_out(model_name: str, current: int | None) -> list[Promotion]:
    """Promotions without those that a process recorded and then died before it moved the alias.

    A move is marked once it is done. One that is not was done all the same if what came next started from its version:
    the process died between the move and the mark.
    """
    tags = _tags(model_name)
    moves = promotions(model_name)
    found_after = [*(move.previous_version for move in moves[1:]), current]
    return [
        move
        for move, after in zip(moves, found_after, strict=False)
        if f"{_CARRIED_OUT}{move.sequence:06d}" in tags or after == move.model_version
    ]


def _moved_at(promotion: Promotion, tags: Mapping[str, str]) -> datetime:
    """When the alias moved, UTC; when it was asked for where that was not noted."""
    noted = tags.get(f"{_CARRIED_OUT}{promotion.sequence:06d}", "true")
    return promotion.promoted_at if noted == "true" else datetime.fromisoformat(noted)


def _tags(model_name: str) -> dict[str, str]:
    return mlflow_store.client().get_registered_model(model_name).tags


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
    # A name that the search's own grammar cannot hold is looked for among all.
    is_plain = not {"'", '"', "`", "\\"} & set(model_name)
    found = mlflow_store.client().search_model_versions(f"name = '{model_name}'" if is_plain else None)
    return [version for version in found if version.name == model_name]


def _aliases(model_name: str) -> dict[int, list[str]]:
    from mlflow.exceptions import MlflowException

    try:
        model = mlflow_store.client().get_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
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
    return _artifact_file(mlflow_run_id, METADATA_FILE)


def _artifact_file(mlflow_run_id: str, name: str) -> bytes:
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"runs:/{mlflow_run_id}/{name}")).read_bytes()


def _model_uri(mlflow_run_id: str) -> str:
    outputs = mlflow_store.client().get_run(mlflow_run_id).outputs.model_outputs
    return f"models:/{outputs[0].model_id}"


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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def _canonical(metadata: dict) -> str:
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"))
