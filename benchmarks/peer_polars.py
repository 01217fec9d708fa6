"""A peer: the same features and scores with Polars, lazy scans, joins on numbers, windows as horizontal expressions.

Money is float64 here, so that a last bit may differ from what exact decimals give.
"""

import os
from collections.abc import Callable, Sequence
from datetime import date, timedelta

# Polars reads it once, on import.
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import command  # noqa: E402
import polars as pl  # noqa: E402
from command import Clock, Night  # noqa: E402
from features import BUREAU, FEATURES, WINDOWS, Pull, Window  # noqa: E402

ACCOUNTS_AT_A_TIME = 600_000
BATCH_ROWS = 32_768
MONTHS = 25  # with the month before the last one of the longest window

NOT_OPEN = ["charged_off", "closed"]
MONEY = ["balance", "credit_limit", "scheduled_payment", "amount_paid"]
SNAPSHOT = [*MONEY, "days_past_due", "is_inactive", "is_paid_in_full"]
LEDGER = ["payment_count", "returned_count", "returned_amount", "days_late", "is_unpaid"]
VERSION = ["_loaded_at", "_load_id"]


class Book:
    """The landing as the night knows it; accounts and customers get numbers, which are cheaper to join."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._as_of = night.as_of
        self._month_start = night.as_of.replace(day=1)

    def read(self) -> None:
        """The policy, and which rows of the payments and the bureau pulls another version has replaced."""
        overrides = self._scan("policy_overrides").sort(VERSION).unique("name", keep="last", maintain_order=True)
        days = command.default_days(overrides.select("name", "value").collect().rows())
        self._is_default = (pl.col("account_status") == "charged_off").fill_null(False)
        if days is not None:
            self._is_default |= (pl.col("days_past_due") >= days).fill_null(False)
        self._replaced_payments = self._replaced("payments", "payment_id")
        self._replaced_pulls = self._replaced("bureau_pulls", "pull_id")
        first = self._scan("payments").select(pl.col("paid_on").min()).collect().item()
        self._ledger_months = max(0, self._months_ago(first) + 1) if first else 0

    def open(self) -> None:
        """Who is on the book, on which terms."""
        servicing = self._scan("loan_servicing").filter(pl.col("snapshot_date") == self._as_of)
        self._snapshot = _last(servicing, "account_id").select(_floats()).collect(engine="streaming")
        accounts = self._scan("accounts")
        opened = (
            self._snapshot.lazy()
            .filter(_is_open())
            .join(accounts, on="account_id", how="semi")
            .sort("account_id")
            .with_row_index("account")
        )
        # A version counts from the day before it was loaded, the first one from the beginning.
        known_from = pl.col("_loaded_at").dt.date() - pl.duration(days=1)
        terms = (
            accounts.rename({"credit_limit": "original_limit"})
            .join(opened.select("account", "account_id"), on="account_id")
            .sort("account", *VERSION)
            .select(
                "account",
                "customer_id",
                "product",
                "opened_on",
                pl.col("original_limit", "apr").cast(pl.Float64),
                "term_months",
                known_from=pl.when(pl.col("account") == pl.col("account").shift()).then(known_from),
                known_before=pl.when(pl.col("account") == pl.col("account").shift(-1)).then(known_from.shift(-1)),
            )
        )
        self._terms = terms.collect(engine="streaming")
        terms_then = self._terms.lazy().filter(_is_known(pl.lit(self._as_of)))
        self._borrowers = terms_then.select("customer_id").drop_nulls().unique().with_row_index("borrower").collect()
        self._book = (
            opened.join(terms_then.drop("known_from", "known_before"), on="account")
            .join(self._borrowers.lazy(), on="customer_id", how="left")
            .collect()
        )

    def find_defaults(self) -> None:
        """The accounts that are not in default on the as-of date are the ones to score."""
        servicing = self._scan("loan_servicing").filter(pl.col("snapshot_date") <= self._as_of)
        snapshot = ["account_id", "snapshot_date"]
        suspects = (
            servicing.filter(self._is_default)
            .join(self._book.lazy().select("account_id"), on="account_id", how="semi")
            .select(snapshot)
            .unique()
            .collect(engine="streaming")
        )
        # A snapshot counts by its last version.
        shown = _last(servicing.join(suspects.lazy(), on=snapshot, how="semi"), *snapshot).filter(self._is_default)
        reported = _last(self._scan("default_events"), "account_id").filter(pl.col("defaulted_on") <= self._as_of)
        defaulted = pl.concat([shown.select("account_id"), reported.select("account_id")])
        self.scored = self._book.join(defaulted.collect(engine="streaming"), on="account_id", how="anti")

    def add_customers(self) -> None:
        """Exposures, incomes and bureau files of the customers of the book."""
        as_of = pl.lit(self._as_of)
        servicing = self._scan("loan_servicing").filter(
            pl.col("snapshot_date") >= self._as_of - timedelta(days=40), pl.col("snapshot_date") < self._as_of
        )
        # Accounts of the book's customers that are missing from the snapshot, by their last state of forty days.
        missing = (
            servicing.join(self._snapshot.lazy().select("account_id"), on="account_id", how="anti")
            .sort("snapshot_date", *VERSION)
            .unique("account_id", keep="last", maintain_order=True)
            .filter(_is_open())
        )
        owners = self._scan("accounts").group_by("account_id").agg(pl.col("customer_id", "opened_on").min())
        state = ["borrower", *MONEY[:3], "days_past_due", "opened_on"]
        states = pl.concat(
            [
                self._book.lazy().select(state),
                missing.select(_floats())
                .join(owners, on="account_id")
                .join(self._borrowers.lazy(), on="customer_id")
                .select(state),
            ]
        )
        self._exposures = (
            states.filter(pl.col("opened_on").is_null() | (pl.col("opened_on") < as_of))
            .group_by("borrower")
            .agg(
                open_accounts=pl.len(),
                owed=_sum("balance"),
                limit=_sum("credit_limit"),
                scheduled=_sum("scheduled_payment"),
                worst_days_past_due=pl.col("days_past_due").max(),
                late_accounts=_sum((pl.col("days_past_due") > 0).cast(pl.Int32)),
                largest_balance=pl.col("balance").max(),
                first_opened_on=pl.col("opened_on").min(),
                last_opened_on=pl.col("opened_on").max(),
            )
            .collect(engine="streaming")
        )
        # The last version loaded by the night after the date, else the earliest.
        is_later = pl.col("_loaded_at").dt.date() > self._as_of + timedelta(days=1)
        versions = self._scan("customers").join(self._borrowers.lazy(), on="customer_id").sort("borrower", *VERSION)
        column = ["annual_income", "employment_status"]
        self._incomes = (
            versions.group_by("borrower", maintain_order=True)
            .agg(
                pl.when(is_later.all()).then(pl.col(name).first()).otherwise(pl.col(name).filter(~is_later).last())
                for name in column
            )
            .with_columns(pl.col("annual_income").cast(pl.Float64))
            .collect(engine="streaming")
        )
        pulls = (
            self._scan("bureau_pulls")
            .join(self._replaced_pulls, on="row", how="anti")
            .filter(pl.col("pulled_on") <= self._as_of, pl.col("pulled_on") >= _months_before(self._month_start, 23))
            .join(self._borrowers.lazy(), on="customer_id")
            .with_columns(
                pl.col("total_utilization").cast(pl.Float64), age=(as_of - pl.col("pulled_on")).dt.total_days()
            )
            .sort("borrower", "pulled_on", "pull_id")
        )
        self._bureau = pulls.group_by("borrower").agg(map(_pull, BUREAU)).collect(engine="streaming")

    def add_terms(self, accounts: pl.DataFrame) -> pl.LazyFrame:
        """Everything that is not a window, of some accounts."""
        tenure = self._months_since("opened_on")
        income, owed = pl.col("annual_income"), pl.col("owed")
        is_borrower = pl.col("borrower").is_not_null()
        return (
            accounts.lazy()
            .join(self._exposures.lazy(), on="borrower", how="left")
            .join(self._incomes.lazy(), on="borrower", how="left")
            .join(self._bureau.lazy(), on="borrower", how="left")
            .select(
                "account",
                "account_id",
                *(pull.feature for pull in BUREAU),
                months_on_book=tenure,
                is_credit_line=(pl.col("product") == "credit_line").cast(pl.Int32),
                apr="apr",
                term_months="term_months",
                remaining_term_months=pl.col("term_months") - tenure,
                share_of_term_elapsed=_ratio(tenure, pl.col("term_months")),
                original_limit="original_limit",
                scheduled_payment="scheduled_payment",
                scheduled_to_balance=_ratio(pl.col("scheduled_payment"), pl.col("balance")),
                customer_open_accounts=pl.when(is_borrower).then(pl.col("open_accounts").fill_null(0)),
                customer_balance=owed,
                customer_credit_limit="limit",
                customer_utilization=_ratio(owed, pl.col("limit")),
                customer_worst_dpd="worst_days_past_due",
                customer_late_accounts=pl.when(is_borrower & pl.col("open_accounts").is_null())
                .then(0)
                .otherwise("late_accounts"),
                customer_concentration=_ratio(pl.col("largest_balance"), owed),
                customer_payment_to_income=_ratio(12 * pl.col("scheduled"), income),
                customer_debt_to_income=_ratio(owed, income),
                customer_income=income,
                is_self_employed=(pl.col("employment_status") == "self_employed").cast(pl.Int32),
                is_without_employment=pl.col("employment_status").is_in(["unemployed", "student"]).cast(pl.Int32),
                customer_months_as_borrower=self._months_since("first_opened_on"),
                customer_months_from_last_opening=self._months_since("last_opened_on"),
                share_of_customer_balance=_ratio(pl.col("balance"), owed),
                customer_worst_dpd_elsewhere=pl.col("worst_days_past_due") - pl.col("days_past_due"),
            )
        )

    def months(self, accounts: pl.DataFrame) -> pl.DataFrame:
        """One row per account and month that has a snapshot."""
        ids = accounts.lazy().select("account", "account_id")
        flags = {name: pl.col("account_status") == name[3:] for name in ("is_inactive", "is_paid_in_full")}
        staged = (
            self._scan("loan_servicing")
            .filter(
                pl.col("account_id").is_between(accounts["account_id"][0], accounts["account_id"][-1]),
                pl.col("snapshot_date") < self._month_start,
                pl.col("snapshot_date") >= _months_before(self._month_start, MONTHS - 1),
            )
            .join(ids, on="account_id")
            .with_columns(_floats(), m=self._months_since("snapshot_date").cast(pl.Int8), **flags)
            .select("account", "m", *SNAPSHOT, "snapshot_date", *VERSION)
            .collect(engine="streaming")
        )
        # Only what is there twice is sorted.
        key = pl.col("account").cast(pl.Int64) * 32 + pl.col("m")
        is_twice = key.is_in(_repeated(staged.select(key).to_series()).implode())
        settled = staged.filter(is_twice).sort("snapshot_date", *VERSION).unique(["account", "m"], keep="last")
        staged = pl.concat([staged.filter(~is_twice), settled]).drop("snapshot_date", *VERSION)
        unlimited = staged.filter(pl.col("credit_limit").is_null()).drop("credit_limit")
        if len(unlimited):
            end = (
                pl.lit(self._month_start)
                .dt.offset_by(pl.format("-{}mo", pl.col("m").cast(pl.Int32) - 1))
                .dt.offset_by("-1d")
            )
            limits = (
                unlimited.join(self._terms, on="account")
                .filter(_is_known(end))
                .rename({"original_limit": "credit_limit"})
            )
            staged = pl.concat([staged.filter(pl.col("credit_limit").is_not_null()), limits.select(staged.columns)])
        now = accounts.select(
            "account",
            pl.lit(0, pl.Int8).alias("m"),
            "balance",
            pl.coalesce("credit_limit", "original_limit").alias("credit_limit"),
            *MONEY[2:],
            "days_past_due",
            *(flag.alias(name) for name, flag in flags.items()),
        )
        return pl.concat([staged, now])

    def ledger(self, accounts: pl.DataFrame, months: pl.DataFrame) -> pl.DataFrame:
        """One row per account and month with a payment."""
        m = self._months_since("paid_on").cast(pl.Int8)
        # The due day of a month is that of the terms known at its end.
        end = pl.min_horizontal(pl.col("paid_on").dt.month_end(), pl.lit(self._as_of))
        ids = accounts.lazy().select("account", "account_id")
        terms = self._terms.lazy().select(
            "account", "known_from", "known_before", due_day=pl.min_horizontal(pl.col("opened_on").dt.day(), 28)
        )
        is_good = ~pl.col("is_returned").fill_null(False)
        late = pl.col("paid_on").dt.day().cast(pl.Int32) - pl.col("due_day")
        return (
            self._scan("payments")
            .filter(
                pl.col("account_id").is_between(accounts["account_id"][0], accounts["account_id"][-1]),
                pl.col("paid_on") <= self._as_of,
                pl.col("paid_on") >= _months_before(self._month_start, MONTHS - 1),
            )
            .join(self._replaced_payments, on="row", how="anti")
            .join(ids.join(terms, on="account"), on="account_id")
            .filter(_is_known(end))
            .select(
                "account",
                m=m,
                is_good=is_good,
                returned_amount=pl.when(~is_good).then(pl.col("amount").cast(pl.Float64)).otherwise(0),
                days_late=pl.when(is_good).then(late.clip(lower_bound=0)),
            )
            .group_by("account", "m")
            .agg(
                payment_count=pl.len().cast(pl.Int32),
                returned_count=(~pl.col("is_good")).sum().cast(pl.Int32),
                returned_amount=pl.col("returned_amount").sum(),
                days_late=pl.col("days_late").max(),
                is_unpaid=~pl.col("is_good").any(),
            )
            .collect(engine="streaming")
        )

    @property
    def ledger_months(self) -> int:
        """How many months back the lender's ledger goes."""
        return self._ledger_months

    def _scan(self, table: str) -> pl.LazyFrame:
        scan = pl.scan_parquet(
            self._night.landing / "*" / table / "*.parquet", row_index_name="row", hive_partitioning=False
        )
        return scan.filter(pl.col("_loaded_at") <= self._night.known_at)

    def _replaced(self, table: str, key: str) -> pl.LazyFrame:
        scan = self._scan(table)
        twice = _repeated(scan.select(pl.col(key).hash()).collect(engine="streaming").to_series())
        versions = scan.filter(pl.col(key).hash().is_in(twice.implode())).select("row", key, *VERSION)
        last = pl.col("row").last().over(key, order_by=VERSION)
        return versions.filter(pl.col("row") != last).select("row").collect(engine="streaming").lazy()

    def _months_ago(self, day: date) -> int:
        return (self._as_of.year - day.year) * 12 + self._as_of.month - day.month

    def _months_since(self, column: str) -> pl.Expr:
        day = pl.col(column).dt
        return self._as_of.year * 12 + self._as_of.month - day.year() * 12 - day.month().cast(pl.Int32)


def windows(months: pl.DataFrame, ledger: pl.DataFrame, others: pl.LazyFrame, ledger_months: int) -> pl.DataFrame:
    """Every feature of some accounts, one row each.

    The months of an account are joined side by side: a window as a horizontal expression takes a third of the time of
    a filtered aggregate over the months below each other.
    """
    abreast = others
    for frame, columns in ((months, SNAPSHOT), (ledger, LEDGER)):
        for (m,), month in frame.partition_by("m", as_dict=True).items():
            names = {name: f"{name}_{m}" for name in columns}
            seen = {"seen": pl.lit(True)} if frame is months else {}
            month = month.lazy().select("account", pl.col(columns).name.suffix(f"_{m}"))
            abreast = abreast.join(month, on="account", how="left")
    return abreast
