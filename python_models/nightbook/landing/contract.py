"""The landing contract: tables, columns, types, grain and allowed values.

Every table is append-only. A row has `_loaded_at` (UTC) and `_load_id`. A correction is a new row of the same grain
with a later `_loaded_at`. So within one load, grain and `_loaded_at` together are unique. Any column may be null unless
it belongs to the grain.

`loan_servicing.account_status`, where not null, is one of:

| status | meaning | open |
|---|---|---|
| current | nothing past due; for a card of the UCI data: revolving, the minimum paid | yes |
| delinquent | days_past_due above zero | yes |
| paid_in_full | UCI data only: last statement paid in full | yes |
| inactive | UCI data only: no consumption, nothing owed | yes |
| charged_off | written off; the account's last row | no |
| closed | paid off or closed by the customer; the account's last row | no |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

TEXT = pa.string()
MONEY = pa.decimal128(18, 2)
RATE = pa.decimal128(9, 6)
YEARS = pa.decimal128(5, 2)
DATE = pa.date32()
COUNT = pa.int32()
FLAG = pa.bool_()
MOMENT = pa.timestamp("us")

LOAD_COLUMNS = {"_loaded_at": MOMENT, "_load_id": TEXT}

PRODUCTS = ("personal_loan", "credit_line")
STATUSES = ("current", "delinquent", "paid_in_full", "inactive", "charged_off", "closed")
DECISIONS = ("approved", "declined")
DEFAULT_REASONS = ("90_dpd", "charge_off", "bankruptcy", "reported")


@dataclass(frozen=True)
class Table:
    """One landing table.

    Attributes:
        schema: every column in contract order, the two load columns last.
        grain: the columns that identify a row, never null; with `_loaded_at` they identify its version.
        allowed: text column -> the only values that it may hold, besides null.
        signed: the numeric columns that may be below zero.
    """

    schema: pa.Schema
    grain: tuple[str, ...]
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    signed: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Column name -> type, in contract order."""
        return {column.name: column.type for column in self.schema}

    @property
    def dates(self) -> tuple[str, ...]:
        """The columns that may not lie in the future."""
        return tuple(name for name, type_ in self.columns.items() if type_ == DATE)

    @property
    def non_negative(self) -> tuple[str, ...]:
        """The columns that may not be below zero: every number that is not signed."""
        numbers = (name for name, type_ in self.columns.items() if type_ == COUNT or pa.types.is_decimal(type_))
        return tuple(name for name in numbers if name not in self.signed)


def _table(
    grain: str,
    allowed: Mapping[str, tuple[str, ...]] | None = None,
    signed: tuple[str, ...] = (),
    **columns: pa.DataType,
) -> Table:
    return Table(pa.schema(columns | LOAD_COLUMNS), tuple(grain.split()), allowed or {}, signed)


TABLES: dict[str, Table] = {
    "customers": _table(
        "customer_id",
        customer_id=TEXT,
        birth_date=DATE,
        state=TEXT,
        employment_status=TEXT,
        annual_income=MONEY,
        full_name=TEXT,
        email=TEXT,
    ),
    "accounts": _table(
        "account_id",
        allowed={"product": PRODUCTS},
        account_id=TEXT,
        customer_id=TEXT,
        product=TEXT,
        opened_on=DATE,
        credit_limit=MONEY,
        apr=RATE,
        term_months=COUNT,
        closed_on=DATE,
    ),
    "loan_servicing": _table(
        "account_id snapshot_date",
        allowed={"account_status": STATUSES},
        signed=("balance",),
        account_id=TEXT,
        snapshot_date=DATE,
        balance=MONEY,
        credit_limit=MONEY,
        scheduled_payment=MONEY,
        amount_paid=MONEY,
        days_past_due=COUNT,
        account_status=TEXT,
    ),
    "payments": _table(
        "payment_id",
        payment_id=TEXT,
        account_id=TEXT,
        paid_on=DATE,
        amount=MONEY,
        method=TEXT,
        is_returned=FLAG,
    ),
    "bureau_pulls": _table(
        "pull_id",
        pull_id=TEXT,
        customer_id=TEXT,
        pulled_on=DATE,
        bureau_score=COUNT,
        inquiries_6m=COUNT,
        open_tradelines=COUNT,
        total_utilization=RATE,
        worst_delinquency_24m=COUNT,
        derogatory_count=COUNT,
    ),
    "applications": _table(
        "application_id",
        allowed={"product": PRODUCTS, "decision": DECISIONS},
        application_id=TEXT,
        customer_id=TEXT,
        applied_on=DATE,
        product=TEXT,
        requested_amount=MONEY,
        requested_term_months=COUNT,
        stated_income=MONEY,
        purpose=TEXT,
        channel=TEXT,
        home_ownership=TEXT,
        employment_years=YEARS,
        narrative=TEXT,
        decision=TEXT,
        account_id=TEXT,
    ),
    "default_events": _table(
        "account_id",
        allowed={"reason": DEFAULT_REASONS},
        account_id=TEXT,
        defaulted_on=DATE,
        reason=TEXT,
    ),
    # A lender's own policies: outcome_months, default_days_past_due, observed_from, observed_through. A value that is
    # empty or null switches the rule off.
    "policy_overrides": _table("name", name=TEXT, value=TEXT),
}

_SQL_TYPES = {TEXT: "VARCHAR", DATE: "DATE", COUNT: "INTEGER", FLAG: "BOOLEAN", MOMENT: "TIMESTAMP"}


def sql_type(type_: pa.DataType) -> str:
    """The DuckDB name of a contract type."""
    return _SQL_TYPES.get(type_) or f"DECIMAL({type_.precision},{type_.scale})"
