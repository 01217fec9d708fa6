"""One scoring model for its page: the champion, the last training's results for it, and sample cases."""

import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xgboost as xgb
from nightbook.catalog import schema_yaml, scoring_models
from nightbook.catalog.scoring_models import ScoringModel
from nightbook.engine import frames, warehouse
from nightbook.registry import model_versions
from nightbook.registry.record import Version
from nightbook.scoring import inference

from docsite.cited import Cited
from docsite.reading import Reading

# Cases for contributions and partial dependence. With more, the figures change only in the third digit.
SAMPLE = 2000


@dataclass(frozen=True)
class Subject:
    """A model of the catalog or of the record.

    version: the champion's record. model: its checked artifact. Both are None without a champion.
    """

    reading: Reading
    name: str
    version: Version | None
    model: model_versions.Model | None

    @classmethod
    def of(cls, reading: Reading, name: str) -> "Subject":
        """Read a model from the record and the registry.

        Raises:
            NightbookError: record, registry and artifact disagree.
        """
        model = reading.record.champion(name) if model_versions.champion_version(name) is not None else None
        version = reading.champion(name) if model else None
        return cls(reading, name, version, model)

    @property
    def versions(self) -> list[Version]:
        """Every recorded version, oldest first."""
        return self.reading.record.versions_of(self.name)

    @property
    def kind(self) -> str | None:
        """What it scores, account or application. None if it is neither."""
        return self.scoring_model.entity if self.scoring_model else None

    @property
    def scoring_model(self) -> ScoringModel | None:
        """Its row of the seed scoring_models. None if it scores no longer."""
        return scoring_models.read().get(self.name)

    @functools.cached_property
    def catalog(self) -> dict[str, dict[str, Cited | str]]:
        """The model's rows of the feature catalog by name, from the warehouse. Before a first run, from the file."""
        columns = ("description", "source", "window_months", "monotone_direction", "reason_text", "in_model")
        found = self.reading.cited(
            "reference.feature_catalog", {name: name for name in columns}, key=["name"], where={"model_name": self.name}
        )
        if found:
            return {row["name"].value: row for row in found}
        return {row["name"]: row for row in schema_yaml.read() if row["model_name"] == self.name}

    @property
    def of_last_night(self) -> dict[str, object]:
        """Conditions for the last night's rows of this version in a mart. Rows of another version are excluded."""
        night = self.reading.last_night()
        return {
            "as_of_date": night and night["as_of_date"],
            "model_name": self.name,
            "model_version": self.version.model_version,
        }

    def of_record(self, field: str, form: str = "text") -> Cited:
        """A field of the champion's record."""
        return cited(self.version, field, form)

    def of_fit(self, metric: str, form: str = "count") -> Cited:
        """A figure that training logged for the champion, None if it logged none."""
        value = self.model.metadata["metrics"].get(metric)
        return Cited(value, f"mlflow:/runs/{self.model.mlflow_run_id}/metrics/{metric}", form)

    @functools.cached_property
    def candidate(self) -> dict | None:
        """The last training's candidate: status, reason, mlflow_run_id, data_digest, model_digest."""
        if not self.reading.has("training.candidates"):
            return None
        found = self.reading.query(
            "select status, reason, mlflow_run_id, data_digest, model_digest from training.candidates where "
            "model_name = ?",
            [self.name],
        )
        return found[0] if found else None

    @property
    def is_of_last_training(self) -> bool:
        """Whether the champion came from the last training, so that its measurements are the champion's."""
        return bool(self.candidate and self.model and self.candidate["mlflow_run_id"] == self.model.mlflow_run_id)

    @property
    def stands_in(self) -> str | None:
        """The champion's side in the last training's comparison: candidate, champion, or None if it took no part."""
        if self.is_of_last_training:
            return "candidate"
        training = self.reading.last_training()
        if not training or not self.candidate or self.candidate["status"] != "fitted" or not self.version:
            return None
        return (
            "champion"
            if self.version.model_version == self.reading.record.champion_at(self.name, training["started_at"])
            else None
        )

    @property
    def has_its_training_set(self) -> bool:
        """Whether the warehouse still holds the exact cases that the champion was trained on."""
        return bool(
            self.candidate
            and self.version
            and self.candidate["data_digest"] == self.version.data_digest
            and self.reading.has(self.training_set)
        )

    @property
    def training_set(self) -> str:
        """The relation with its training cases."""
        return f"training.training_set_{self.name}"

    @functools.cached_property
    def holdout(self) -> "Holdout | None":
        """Outcomes and PDs of the holdout. None if the last training did not score the champion."""
        if not self.stands_in or not self.reading.has("training.holdout_scores"):
            return None
        table = warehouse.arrow(
            self.reading.connection,
            "select entity_id, as_of_date, is_default, candidate_pd, champion_pd, benchmark_pd from "
            "training.holdout_scores where split = 'holdout' and model_name = ? order by entity_id, as_of_date",
            [self.name],
        )
        if not table.num_rows:
            return None
        table = table.rename_columns([column.lower() for column in table.column_names])
        return Holdout(
            keys=list(zip(table["entity_id"].to_pylist(), table["as_of_date"].to_pylist(), strict=True)),
            label=frames.doubles(table["is_default"]).astype(int),
            pd=frames.doubles(table[f"{self.stands_in}_pd"]),
            benchmark_pd=frames.doubles(table["benchmark_pd"]),
        )

    @functools.cached_property
    def booster(self) -> xgb.Booster:
        """The champion's trees, after a check of their digest."""
        return inference.load_booster(self.model.booster_bytes, self.model.digest)

    @functools.cached_property
    def gain(self) -> dict[str, float]:
        """Input -> its share of the loss that all splits reduced, in [0, 1], the strongest first."""
        gains = inference.gains(self.booster)
        total = sum(gains.values()) or 1.0
        return {name: gains[name] / total for name in sorted(gains, key=lambda name: (-gains[name], name))}

    @functools.cached_property
    def sample(self) -> np.ndarray | None:
        """Inputs of holdout cases, sampled by a hash, float32 of shape (cases, inputs). None if there are none."""
        if not self.reading.has(self.training_set):
            return None
        columns = {
            row["name"]
            for row in self.reading.query(
                "select lower(column_name) as name from information_schema.columns"
                " where lower(table_schema) = ? and lower(table_name) = ?",
                self.training_set.split("."),
            )
        }
        if not set(self.model.features) <= columns:
            return None
        table = warehouse.arrow(
            self.reading.connection,
            f"select {', '.join(self.model.features)} from {self.training_set} where split = 'holdout'"
            f" order by md5(entity_id || cast(as_of_date as varchar)), entity_id, as_of_date limit {SAMPLE}",
        )
        table = table.rename_columns([column.lower() for column in table.column_names])
        return frames.matrix(pa.table(table), self.model.features) if table.num_rows else None


def cited(version: Version, field: str, form: str = "text") -> Cited:
    """A field of a version's record."""
    return Cited(
        getattr(version, field),
        f"select {field} from audit.fct_model_versions where model_name = '{version.model_name}'"
        f" and model_version = {version.model_version}",
        form,
    )


@dataclass(frozen=True)
class Holdout:
    """Cases that no fit has seen. keys: (entity_id, as_of_date); label: 1 for default; PDs in [0, 1]; shape (n,)."""

    keys: list[tuple]
    label: np.ndarray
    pd: np.ndarray
    benchmark_pd: np.ndarray
