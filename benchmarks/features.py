"""The benchmark's specification of every account feature, independent of the dbt models that it is compared with.

Months are counted back from the as-of date. Month 0 is the account's state on that date and the ledger up to it. Month
1 is the calendar month before, by its last snapshot and its whole ledger. A window of n months is months 0 to n - 1. An
account is measured over the months that it has. A window without an observation is null.
"""

from typing import NamedTuple


class Measure(NamedTuple):
    """A monthly measure and its statistics.

    name: prefix of its features, `<name>_<months>m_<stat>`.
    is_whole: a count or days, so that its values stay integers.
    windows: statistic -> window lengths in months.

    The statistics are max, min, sum, avg; slope by least squares, per month; std of the population; last, month 0;
    change, month 0 minus the month that many back; since, months back to the last one above zero; seen, months
    observed. avg, slope and std are rounded to six places.
    """

    name: str
    is_whole: bool
    windows: dict[str, tuple[int, ...]]


class Window(NamedTuple):
    """One feature over months."""

    feature: str
    measure: str
    stat: str
    months: int
    is_whole: bool


class Pull(NamedTuple):
    """One feature of a customer's bureau pulls in the as-of month and the 23 calendar months before.

    stat: latest, of the last pull (by day, then pull_id); change, latest minus that of the last pull at least `days`
        old; max, min, avg over the pulls at most `days` old (None: all of them); count; age in days of the last pull.
    """

    feature: str
    column: str
    stat: str
    days: int | None
    is_whole: bool


# Quotients are rounded to six places and limited to +/- 1000. They are null unless the denominator is positive.
#
# days_past_due, balance, amount_paid   of the snapshot
# credit_limit                          of the snapshot; if null, of the terms known at the end of the month
# is_late, is_30_dpd, is_60_dpd         days past due above 0, from 30, from 60
# is_worse, is_better                   days past due above, below those of the month before
# utilization                           balance / limit
# is_over_limit                         balance above limit
# is_inactive, is_paid_in_full          account_status
# paydown, paydown_ratio                balance of the month before minus balance; over balance of the month before
# payment_ratio                         paid / scheduled
# paid_to_balance, paid_to_limit        paid / balance of the month before, paid / limit
# shortfall, is_short_paid              scheduled minus paid, at least 0; paid below scheduled
# payment_count, returned_count, returned_amount, is_unpaid
#                                       of the ledger; a month without a payment counts 0, months before the lender's
#                                       first payment are not observed; unpaid: no payment that was not returned
# days_late, is_paid_late               the latest payment, not returned, against its due day, at least 0; above 5
MEASURES = {
    "days_past_due": Measure("dpd", True, {
        "last": (1,), "max": (3, 6, 12, 24), "avg": (3, 6, 12, 24), "slope": (3, 6, 12), "change": (1, 3, 6)}),
    "is_late": Measure("late_months", True, {"sum": (3, 6, 12, 24)}),
    "is_30_dpd": Measure("dpd_30_months", True, {"sum": (3, 6, 12, 24)}),
    "is_60_dpd": Measure("dpd_60_months", True, {"sum": (6, 12, 24)}),
    "is_worse": Measure("roll_forward", True, {"sum": (3, 6, 12)}),
    "is_better": Measure("cure", True, {"sum": (6, 12)}),
    "balance": Measure("balance", False, {
        "last": (1,), "avg": (3, 6, 12, 24), "max": (6, 12, 24), "min": (6, 12), "slope": (3, 6, 12),
        "change": (1, 3, 6, 12), "seen": (24,)}),
    "credit_limit": Measure("credit_limit", False, {"last": (1,), "change": (6, 12)}),
    "utilization": Measure("utilization", False, {
        "last": (1,), "avg": (3, 6, 12, 24), "max": (3, 6, 12, 24), "min": (6, 12), "slope": (3, 6, 12), "std": (6, 12),
        "change": (1, 3, 6, 12)}),
    "is_over_limit": Measure("over_limit_months", True, {"sum": (3, 6, 12)}),
    "is_inactive": Measure("inactive_months", True, {"sum": (3, 6, 12)}),
    "is_paid_in_full": Measure("paid_in_full_months", True, {"sum": (3, 6, 12)}),
    "paydown": Measure("paydown", False, {"last": (1,), "sum": (3, 6, 12)}),
    "paydown_ratio": Measure("paydown_ratio", False, {"last": (1,), "avg": (3, 6, 12), "min": (6,)}),
    "amount_paid": Measure("amount_paid", False, {"last": (1,), "avg": (3, 6, 12), "max": (6, 12), "min": (6,)}),
    "payment_ratio": Measure("payment_ratio", False, {
        "last": (1,), "avg": (3, 6, 12), "min": (3, 6, 12), "slope": (6,), "std": (12,)}),
    "paid_to_balance": Measure("paid_to_balance", False, {
        "last": (1,), "avg": (3, 6, 12), "min": (6,), "max": (6,)}),
    "paid_to_limit": Measure("paid_to_limit", False, {"last": (1,), "avg": (3, 6, 12)}),
    "shortfall": Measure("shortfall", False, {"last": (1,), "sum": (3, 6, 12, 24), "max": (6, 12)}),
    "is_short_paid": Measure("short_paid_months", True, {"sum": (3, 6, 12, 24)}),
    "payment_count": Measure("payments", True, {"sum": (3, 12)}),
    "returned_count": Measure("returned_payments", True, {"sum": (1, 3, 6, 12, 24)}),
    "returned_amount": Measure("returned_amount", False, {"sum": (6, 12)}),
    "days_late": Measure("days_late", True, {
        "last": (1,), "max": (3, 6, 12), "avg": (3, 6, 12, 24), "slope": (6, 12)}),
    "is_paid_late": Measure("paid_late_months", True, {"sum": (3, 6, 12)}),
    "is_unpaid": Measure("unpaid_months", True, {"sum": (1, 3, 6, 12, 24)}),
}  # fmt: skip

_SINCE = {"is_late": "months_from_late", "is_30_dpd": "months_from_dpd_30", "returned_count": "months_from_return"}
_RENAMED = {
    "dpd_1m_last": "dpd_current",
    "dpd_30_months_12m_sum": "dpd_30_rollup",
    "utilization_1m_last": "utilization_current",
    "balance_1m_last": "balance_current",
    "balance_24m_seen": "months_observed_24m",
    "credit_limit_1m_last": "credit_limit_current",
}

WINDOWS = tuple(
    Window(
        _RENAMED.get(name := f"{measure.name}_{months}m_{stat}", name),
        key,
        stat,
        months,
        stat == "seen" or (measure.is_whole and stat not in ("avg", "slope", "std")),
    )
    for key, measure in MEASURES.items()
    for stat, lengths in measure.windows.items()
    for months in lengths
) + tuple(Window(f"{name}_24m_since", key, "since", 24, True) for key, name in _SINCE.items())

BUREAU = (
    Pull("bureau_score", "bureau_score", "latest", None, True),
    Pull("bureau_score_delta", "bureau_score", "change", 60, True),
    Pull("bureau_score_delta_6m", "bureau_score", "change", 150, True),
    Pull("bureau_score_delta_12m", "bureau_score", "change", 330, True),
    Pull("bureau_score_12m_min", "bureau_score", "min", 366, True),
    Pull("bureau_score_24m_max", "bureau_score", "max", None, True),
    Pull("bureau_score_12m_avg", "bureau_score", "avg", 366, False),
    Pull("bureau_inquiries", "inquiries_6m", "latest", None, True),
    Pull("bureau_inquiries_delta", "inquiries_6m", "change", 60, True),
    Pull("bureau_inquiries_12m_max", "inquiries_6m", "max", 366, True),
    Pull("bureau_open_tradelines", "open_tradelines", "latest", None, True),
    Pull("bureau_open_tradelines_delta_12m", "open_tradelines", "change", 330, True),
    Pull("bureau_utilization", "total_utilization", "latest", None, False),
    Pull("bureau_utilization_delta", "total_utilization", "change", 60, False),
    Pull("bureau_utilization_12m_max", "total_utilization", "max", 366, False),
    Pull("bureau_worst_delinquency", "worst_delinquency_24m", "latest", None, True),
    Pull("bureau_derogatory_count", "derogatory_count", "latest", None, True),
    Pull("bureau_pulls_24m", "pull_id", "count", None, True),
    Pull("bureau_file_age_days", "pulled_on", "age", None, True),
)

# Terms of the account as known on the as-of date, and everything that its customer owes on it. An account of the
# customer may be missing from the snapshot of that date. It then counts with its last state of the 40 days before. An
# account that is closed, charged off or opened on the date itself does not count. Months are calendar months.
# Name -> whether it is a whole number.
TENURE = {
    "months_on_book": True,
    "is_credit_line": True,
    "apr": False,
    "term_months": True,
    "remaining_term_months": True,
    "share_of_term_elapsed": False,
    "original_limit": False,
    "scheduled_payment": False,
    "scheduled_to_balance": False,
}
EXPOSURE = {
    "customer_open_accounts": True,
    "customer_balance": False,
    "customer_credit_limit": False,
    "customer_utilization": False,
    "customer_worst_dpd": True,
    "customer_late_accounts": True,
    "customer_concentration": False,
    "customer_payment_to_income": False,
    "customer_debt_to_income": False,
    "customer_income": False,
    "is_self_employed": True,
    "is_without_employment": True,
    "customer_months_as_borrower": True,
    "customer_months_from_last_opening": True,
    "share_of_customer_balance": False,
    "customer_worst_dpd_elsewhere": True,
}

FEATURES = {
    **{window.feature: window.is_whole for window in WINDOWS},
    **{pull.feature: pull.is_whole for pull in BUREAU},
    **TENURE,
    **EXPOSURE,
}
