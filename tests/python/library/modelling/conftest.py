"""Populations with known structure for the modelling tests."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from nightbook.modelling import training
from nightbook.modelling.boosting import FeatureSpec
from scipy import special

FEATURES = (
    FeatureSpec("utilization", 1),
    FeatureSpec("months_on_book", -1),
    FeatureSpec("inquiries", 1),
    FeatureSpec("noise", 0),
    FeatureSpec("bureau_score", -1),
)


def planted_table(rows: int = 3000, seed: int = 3) -> pa.Table:
    """Defaults that follow from utilization, months on book, inquiries and a bureau score that a tenth lacks."""
    generator = np.random.default_rng(seed)
    utilization = np.round(generator.gamma(2, 0.25, rows), 6)
    months = generator.integers(1, 120, rows)
    inquiries = generator.poisson(1.5, rows)
    bureau = np.round(generator.normal(650, 60, rows), 6)
    log_odds = -2.4 + 1.6 * utilization - 0.012 * months + 0.25 * inquiries - 0.012 * (bureau - 650)
    is_known = generator.random(rows) >= 0.1
    share = np.arange(rows) % 20
    return pa.table(
        {
            "entity_id": [f"A{row:06d}" for row in range(rows)],
            "customer_id": [f"C{row:06d}" for row in range(rows)],
            "as_of_date": pa.array([date(2024, 1, 31)] * rows, pa.date32()),
            "split": np.where(share < 12, "train", np.where(share < 15, "validation", "holdout")).tolist(),
            "is_default": (generator.random(rows) < special.expit(log_odds)).astype(np.int32),
            "utilization": utilization,
            "months_on_book": months,
            "inquiries": pa.array(inquiries, pa.int32()),
            "noise": np.round(generator.normal(size=rows), 6),
            "bureau_score": pa.array(bureau, mask=~is_known),
        }
    )


@pytest.fixture(scope="session")
def features() -> tuple[FeatureSpec, ...]:
    return FEATURES


@pytest.fixture(scope="session")
def table() -> pa.Table:
    return planted_table()


@pytest.fixture(scope="session")
def rows(table, features) -> training.TrainingSet:
    return training.TrainingSet.from_arrow(table, features)


@pytest.fixture(scope="session")
def candidate(table, features) -> training.Candidate:
    # One thread in most tests: on a busy machine, spinning OpenMP threads cost tenfold on tables this small.
    return training.train(table, features, model_name="account_pd", threads=1)
