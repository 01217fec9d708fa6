"""A scored night of 500 accounts and 50 applications as plain tables, without a warehouse."""

import numpy as np
import pyarrow as pa

ACCOUNTS, APPLICATIONS = 500, 50
GRADES = np.array(["A", "B", "C", "D"])


def _graded(pd: np.ndarray) -> list[str]:
    return GRADES[np.searchsorted([0.02, 0.05, 0.1], pd)].tolist()


def scored(days_past_due: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """Scores and provisions that depend on one feature, by a model that reads nothing else."""
    pd = 1 / (1 + np.exp(4 - 0.05 * days_past_due))
    keys = [f"A{number:04}" for number in range(days_past_due.size)]
    return (
        pa.table({"key": keys, "pd": pd, "grade": _graded(pd)}),
        pa.table({"key": keys, "expected_loss": np.round(pd * 1000, 2), "stage": np.where(pd > 0.1, 2, 1)}),
    )


def made() -> dict[str, pa.Table]:
    """What `comparison.read` returns for a home that has trained."""
    rng = np.random.default_rng(5)
    # A window of twelve months sees more than one of three.
    last_12 = rng.integers(0, 60, ACCOUNTS)
    last_3 = np.where(rng.random(ACCOUNTS) < 0.3, last_12, last_12 // 3)
    scores, provisions = scored(last_12)
    keys = [f"P{number:03}" for number in range(APPLICATIONS)]
    asked = rng.integers(1, 60, APPLICATIONS) * 100.0
    return {
        "catalog": pa.table(
            {
                "model_name": ["account_pd", "account_pd", "application_pd"],
                "name": ["dpd_12m_max", "balance_current", "requested_amount"],
                "in_model": [True, True, True],
                "monotone_direction": [1, 0, 1],
                "reason_text": ["Payments late", "Balance", "Amount asked for"],
            }
        ),
        "account_pd": pa.table(
            {
                "account_id": scores["key"],
                "dpd_12m_max": last_12,
                "balance_current": rng.random(ACCOUNTS),
                "dpd_3m_max": last_3,
            }
        ),
        "application_pd": pa.table({"application_id": keys, "requested_amount": asked}),
        "account_pd_scores": scores,
        "application_pd_scores": pa.table({"key": keys, "pd": asked / 10000, "grade": _graded(asked / 10000)}),
        "provisions": provisions,
        "queue": pa.table({"key": keys, "band": np.where(asked < 3000, "fast_track", "review")}),
        "reasons": pa.table({"key": keys, "reasons": [["Amount asked for", None, None, None]] * APPLICATIONS}),
        "runs": pa.table({"cadence": ["nightly", "weekly"], "seconds": [20.0, 60.0]}),
        "gate": pa.table(
            {"model_name": ["account_pd"], "metric": ["auc"], "value": [0.8], "low": [0.78], "high": [0.82]}
        ),
        "verdicts": pa.table({"model_name": ["account_pd"], "rule": ["overfit"], "reason": ["it was so before"]}),
    }
