"""Tonight's population scored by versions that nobody has approved, to be compared and never published."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from nightbook import frames, provenance, registry, training
from nightbook.boosting import predict_pd

SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("entity_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("pd", pa.float64()),
    ]
)


def score(challengers: Iterable[dict], populations: Mapping[str, tuple[object, str]]) -> Iterator[pa.RecordBatch]:
    """Score populations in a stream; nothing where there is no challenger.

    Args:
        challengers: rows with model_name and model_version.
        populations: model name -> engine's frame of tonight's inputs, and its key.

    Yields:
        Batches of `SCHEMA`.

    Raises:
        NightbookError: a challenger's artifact fails its check.
    """
    for row in challengers:
        relation, key = populations[row["model_name"]]
        model = registry.load(row["model_name"], row["model_version"])
        booster = training.load_booster(model.booster_bytes, model.digest)
        booster.set_param({"nthread": provenance.threads()})
        for batch in frames.batches(relation, [key, "as_of_date"], model.features):
            pd = predict_pd(booster, frames.matrix(batch, model.features))
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
