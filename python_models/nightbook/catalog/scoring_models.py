"""The scoring models: a row of the seed scoring_models each, which says where the rest of the project finds its parts.

dbt's Jinja cannot read a file, so `make catalog` writes the rows into a macro.
"""

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from nightbook.engine import deployment
from nightbook.errors import NightbookError

SEED = Path("seeds/reference/scoring_models.csv")
MACRO = Path("macros/scoring_models__generated.sql")
# What explanations, reproductions and outcomes are about.
ENTITIES = ("account", "application")
_PROJECT = Path(__file__).resolve().parents[3]
_T = TypeVar("_T")
_HEAD = """\
{# Written by `make catalog` from the seed scoring_models; edit the seed. #}
{% macro scoring_models(entity=none) -%}
    {%- set listed = [
"""
_FOOT = """\
    ] -%}
    {{ return(listed | selectattr('entity', 'equalto', entity) | list if entity else listed) }}
{%- endmacro %}
"""


@dataclass(frozen=True)
class ScoringModel:
    """A scoring model. Each field but the first two names a relation of the project.

    entity: what it scores, one of `ENTITIES`.
    features, cohort_features: its inputs, tonight's and training's.
    training_set: the cases that it learns from.
    population: whom it scores tonight.
    tonight_scores, scores: tonight's scores, and the published ones of all nights.
    inputs: where the inputs of each score are kept, one column each. Empty if contributions keep them.
    contributions: where the contribution of each input to each score is published. Empty if it is not.
    """

    model_name: str
    entity: str
    features: str
    cohort_features: str
    training_set: str
    population: str
    tonight_scores: str
    scores: str
    inputs: str
    contributions: str

    @property
    def key(self) -> str:
        """The column that names a case."""
        return f"{self.entity}_id"


def read(project: Path | None = None) -> dict[str, ScoringModel]:
    """Name -> scoring model, in the seed's order. Inside Snowflake, those that the library was staged with.

    Raises:
        NightbookError: a row is wrong.
    """
    return _read(project or _PROJECT)


def staged() -> list[dict]:
    """The rows as a staged library carries them."""
    return [asdict(model) for model in read().values()]


def of_entity(entity: str) -> list[ScoringModel]:
    """The scoring models of an entity, in the seed's order. The first is meant where a user names none."""
    return [model for model in read().values() if model.entity == entity]


def each(lines: dict[str, _T]) -> dict[str, _T]:
    """Return what a dbt Python model names for each scoring model. dbt reads its references literally, so it has a line
    for each.

    Raises:
        NightbookError: it lacks a line, or names a model that the seed does not have.
    """
    missing, unknown = [name for name in read() if name not in lines], [name for name in lines if name not in read()]
    if missing:
        raise NightbookError(f"it has no line for scoring model {missing[0]}: add one beside {', '.join(lines)}")
    if unknown:
        raise NightbookError(f"it names scoring model {unknown[0]}, which {SEED} does not have")
    return lines


def macro(models: Iterable[ScoringModel]) -> str:
    """The macro that lists the scoring models, each with its key."""
    lines = []
    for model in models:
        parts = ",\n         ".join(
            f"'{name}': '{value}'" for name, value in (asdict(model) | {"key": model.key}).items()
        )
        lines.append(f"        {{{parts}}},\n")
    return _HEAD + "".join(lines) + _FOOT


@functools.cache
def _read(project: Path) -> dict[str, ScoringModel]:
    record = deployment.record()
    if record is not None:
        rows = record["scoring_models"]
    else:
        with (project / SEED).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    return {row["model_name"]: _model(row) for row in rows}


def _model(row: dict) -> ScoringModel:
    model = ScoringModel(**row)
    wrong = None
    if model.entity not in ENTITIES:
        wrong = f"entity '{model.entity}' is not one of {', '.join(ENTITIES)}"
    elif bool(model.inputs) == bool(model.contributions):
        wrong = "exactly one of inputs and contributions keeps what a score was computed from"
    else:
        names = [value for name, value in asdict(model).items() if value or name not in ("inputs", "contributions")]
        wrong = next((f"'{one}' is not a name" for one in names if not re.fullmatch(r"[a-z]\w*", one)), None)
    if wrong:
        raise NightbookError(f"scoring_models.csv, {model.model_name}: {wrong}")
    return model
