"""Score tonight's population with versions that nobody has approved. The scores are compared, never published."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nightbook import provenance
from nightbook.engine import frames
from nightbook.engine.frames import Frame, Made, Session
from nightbook.scoring import inference, scorer, snowflake_functions

if TYPE_CHECKING:
    from snowflake.snowpark import DataFrame
    from snowflake.snowpark import Session as Snowpark

# Model name -> engine's frame of tonight's inputs, and its key.
Populations = Mapping[str, tuple[Frame, str]]

SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("entity_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("pd", pa.float64()),
    ]
)


def scores(session: Session, challengers: Iterable[dict], populations: Populations) -> Made:
    """Populations scored with each challenger, as dbt takes them back. Without a challenger there are no rows."""
    challengers = list(challengers)
    if not challengers or not frames.is_snowpark(session):
        return frames.relation(session, SCHEMA, score(challengers, populations))
    found = [_scored(session, row, *populations[row["model_name"]]) for row in challengers]
    return functools.reduce(lambda one, other: one.union_all(other), found)


def _scored(session: "Snowpark", row: dict, frame: Frame, key: str) -> "DataFrame":
    model = scorer.loaded(row)
    named = [f"{key} as entity_id" if name == "entity_id" else name for name in SCHEMA.names]
    return snowflake_functions.scored(session, model, frame, key).select_expr(*named)


def score(challengers: Iterable[dict], populations: Populations) -> Iterator[pa.RecordBatch]:
    """Score populations in a stream. Without a challenger there are no batches.

    Args:
        challengers: rows as `scorer.loaded` reads them.
        populations: model name -> engine's frame of its inputs, and its key.

    Yields:
        Batches of `SCHEMA`.

    Raises:
        NightbookError: a challenger's artifact fails its check, or an input holds NaN or infinity.
    """
    for row in challengers:
        relation, key = populations[row["model_name"]]
        model = scorer.loaded(row)
        booster = inference.load_booster(model.booster_bytes, model.digest)
        booster.set_param({"nthread": provenance.threads()})
        for batch in frames.batches(relation, [key, "as_of_date"], model.features):
            pd = inference.predict_pd(booster, inference.inputs(batch, model.features))
            yield pa.record_batch(
                [
                    pa.repeat(pa.scalar(model.model_name), batch.num_rows),
                    pa.repeat(pa.scalar(model.version, pa.int32()), batch.num_rows),
                    batch.column(key).cast(pa.string()),
                    batch.column("as_of_date"),
                    pa.array(np.asarray(pd, dtype=np.float64)),
                ],
                schema=SCHEMA,
            )
