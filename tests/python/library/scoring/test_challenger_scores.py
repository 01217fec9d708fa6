"""Challengers score like any model. Without one there are no rows."""

import numpy as np
import pyarrow as pa
import pytest
from library_store import MODEL, as_chosen
from nightbook.engine import frames
from nightbook.errors import NightbookError
from nightbook.registry import model_versions
from nightbook.scoring import challenger_scores, inference


def scored(challengers, accounts) -> pa.Table:
    batches = challenger_scores.score(challengers, {MODEL: (accounts, "account_id")})
    return pa.Table.from_batches(list(batches), schema=challenger_scores.SCHEMA)


def test_a_challenger_gives_its_own_probabilities(accounts, champion, forest, matrix):
    chosen = as_chosen(model_versions.load(MODEL, 2))
    found = scored([chosen], accounts)
    own = inference.predict_pd(inference.load_booster(forest.booster_bytes, forest.digest), matrix)
    assert np.array_equal(found["pd"].to_numpy(), own.astype(np.float64))
    assert found["entity_id"].to_pylist() == [row["account_id"] for row in frames.rows(accounts)]
    assert set(found["model_version"].to_pylist()) == {2}
    for exchanged in ({"model_digest": "D2"}, {"metadata_digest": "J2"}):
        with pytest.raises(NightbookError, match="^account_pd version 2: its artifact was replaced"):
            scored([chosen | exchanged], accounts)


def test_without_a_challenger_nothing_is_scored(accounts):
    assert scored([], accounts).num_rows == 0
