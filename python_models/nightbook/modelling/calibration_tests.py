"""Calibration tests by grade, which have no SQL form."""

import numpy as np
import pyarrow as pa

from nightbook.modelling import metrics

CALIBRATION_SCHEMA = pa.schema(
    [
        ("model_name", pa.string()),
        ("model_version", pa.int32()),
        ("cohort_date", pa.date32()),
        ("risk_grade", pa.string()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
    ]
)


def calibration_tests(counts: pa.Table) -> pa.Table:
    """The Jeffreys interval and test of each grade and portfolio.

    Args:
        counts: model_name, model_version, cohort_date, risk_grade, case_count, default_count, mean_pd; may be empty.

    Returns:
        A table of `CALIBRATION_SCHEMA`, in the order of counts, to nine places. low and high are the 95 % interval of
        the default rate. p_value is of the test that the rate is no higher than mean_pd.
    """
    defaults, cases = (counts[name].to_numpy() for name in ("default_count", "case_count"))
    low, high = metrics.jeffreys_interval(defaults, cases)
    p_value = metrics.jeffreys_p_value(defaults, cases, counts["mean_pd"].to_numpy())
    keys = [counts[name] for name in CALIBRATION_SCHEMA.names[:4]]
    figures = [pa.chunked_array([np.round(values, 9)]) for values in (low, high, p_value)]
    return pa.table(keys + figures, names=CALIBRATION_SCHEMA.names).cast(CALIBRATION_SCHEMA)
