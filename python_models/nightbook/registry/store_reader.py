"""What the MLflow store says of models, versions and runs.

A store in a SQLite file is read as the tables it is, because MLflow's client takes four seconds of processor time to
open it. Any other store is asked through the client, and every write goes through the client.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.registry import mlflow_store

# The schema that the queries below were written for, as MLflow names it. A file with another one goes to the client.
REVISION = "dc11669786a5"


@dataclass(frozen=True)
class Registered:
    """A registered version: its number, the run that logged it, its tags, and when it was registered (UTC, ms)."""

    number: int
    run_id: str | None
    tags: dict[str, str]
    registered_ms: int


class Reader(Protocol):
    """The questions that are asked of a store. One that does not answer raises NightbookError."""

    def model_names(self) -> list[str]:
        """Every registered model, in alphabetical order."""

    def versions(self, model_name: str) -> list[Registered]:
        """Every version of a model that was not deleted, in order."""

    def aliases(self, model_name: str) -> dict[str, int]:
        """Alias -> version number. Empty for an unknown model."""

    def version_location(self, model_name: str, number: int) -> str:
        """The address from which MLflow's clients load a version."""

    def run_tags(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""

    def run_location(self, run_id: str) -> str:
        """The address of a run's own files."""

    def model_ids(self, run_id: str) -> list[str]:
        """The models that a run logged."""

    def model_location(self, model_id: str) -> str:
        """The address of a logged model's files."""


def reader() -> Reader:
    """The reader of the home's store."""
    file = mlflow_store.file_of(home.registry_uri())
    if file is not None and file.exists():
        mlflow_store.settle()
        found = _File(file)
        if found.revision() == REVISION:
            return found
    return _Client()


class _File:
    """The tables of a SQLite file. The client reads only the workspace `default` of one."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def revision(self) -> str | None:
        try:
            found = self._rows("select version_num from alembic_version")
        except NightbookError:
            # The client says what is wrong with a file that is no store.
            return None
        return found[0][0] if len(found) == 1 else None

    def model_names(self) -> list[str]:
        return [
            name for (name,) in self._rows("select name from registered_models where workspace = 'default' order by 1")
        ]

    def versions(self, model_name: str) -> list[Registered]:
        return [
            Registered(
                number,
                run_id,
                dict(
                    self._rows(
                        "select key, value from model_version_tags"
                        " where workspace = 'default' and name = ? and version = ?",
                        model_name,
                        number,
                    )
                ),
                created,
            )
            for number, run_id, created in self._rows(
                "select version, run_id, creation_time from model_versions"
                " where workspace = 'default' and name = ? and current_stage != 'Deleted_Internal' order by version",
                model_name,
            )
        ]

    def aliases(self, model_name: str) -> dict[str, int]:
        return dict(
            self._rows(
                "select alias, version from registered_model_aliases where workspace = 'default' and name = ?",
                model_name,
            )
        )

    def version_location(self, model_name: str, number: int) -> str:
        return self._one(
            f"{model_name} version {number}",
            "select coalesce(nullif(storage_location, ''), source) from model_versions"
            " where workspace = 'default' and name = ? and version = ? and current_stage != 'Deleted_Internal'",
            model_name,
            number,
        )

    def run_tags(self, run_id: str) -> dict[str, str]:
        self.run_location(run_id)
        return dict(self._rows("select key, value from tags where run_uuid = ?", run_id))

    def run_location(self, run_id: str) -> str:
        return self._one(f"run {run_id}", "select artifact_uri from runs where run_uuid = ?", run_id)

    def model_ids(self, run_id: str) -> list[str]:
        return [
            model_id
            for (model_id,) in self._rows(
                "select destination_id from inputs"
                " where source_type = 'RUN_OUTPUT' and source_id = ? and destination_type = 'MODEL_OUTPUT'",
                run_id,
            )
        ]

    def model_location(self, model_id: str) -> str:
        return self._one(
            f"model {model_id}",
            "select artifact_location from logged_models where model_id = ? and lifecycle_stage != 'deleted'",
            model_id,
        )

    def _one(self, what: str, query: str, *values: object) -> str:
        for (found,) in self._rows(query, *values):
            return found
        raise NightbookError(f"the MLflow store has no {what}: restore the registry, or train again")

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with mlflow_store.answering(), closing(mlflow_store.opened(self._file)) as store:
            return store.execute(query, values).fetchall()


class _Client:
    """MLflow's client."""

    def __init__(self) -> None:
        self._client = mlflow_store.client()

    def model_names(self) -> list[str]:
        return sorted(model.name for model in self._client.search_registered_models())

    def versions(self, model_name: str) -> list[Registered]:
        # The search language cannot express some names; then all versions are searched.
        is_plain = not {"'", '"', "`", "\\"} & set(model_name)
        found = self._client.search_model_versions(f"name = '{model_name}'" if is_plain else None)
        versions = [
            Registered(int(one.version), one.run_id, one.tags, one.creation_timestamp)
            for one in found
            if one.name == model_name
        ]
        return sorted(versions, key=lambda one: one.number)

    def aliases(self, model_name: str) -> dict[str, int]:
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_registered_model(model_name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {alias: int(version) for alias, version in found.items()}

    def version_location(self, model_name: str, number: int) -> str:
        return self._client.get_model_version_download_uri(model_name, str(number))

    def run_tags(self, run_id: str) -> dict[str, str]:
        return self._run(run_id).data.tags

    def run_location(self, run_id: str) -> str:
        return self._run(run_id).info.artifact_uri

    def model_ids(self, run_id: str) -> list[str]:
        outputs = self._run(run_id).outputs
        return [one.model_id for one in outputs.model_outputs] if outputs else []

    def model_location(self, model_id: str) -> str:
        return self._client.get_logged_model(model_id).artifact_location

    def _run(self, run_id: str) -> Any:
        return self._client.get_run(run_id)
