"""A peer: the same features and scores with Polars, lazy scans, joins on numbers, windows as horizontal expressions.

Money is float64 here, so a last bit may differ from exact decimals.
"""

import os
from collections.abc import Sequence
from datetime import date, timedelta

# Polars reads it only once, on import.
os.environ.setdefault("POLARS_MAX_THREADS", "2")

import command  # noqa: E402
import polars as pl  # noqa: E402
from command import Clock, Night  # noqa: E402
from features import BUREAU, EXPOSURE, TENURE, WINDOWS, Pull, Window  # noqa: E402

ACCOUNTS_AT_A_TIME = 600_000
BATCH_ROWS = 32_768
MONTHS = 25  # includes the month before the last one of the longest window

NOT_OPEN = ["charged_off", "closed"]
MONEY = ["balance", "credit_limit", "scheduled_payment", "amount_paid"]
SNAPSHOT = [*MONEY, "days_past_due", "is_inactive", "is_paid_in_full"]
LEDGER = ["payment_count", "returned_count", "returned_amount", "days_late", "is_unpaid"]
VERSION = ["_loaded_at", "_load_id"]
OTHERS = [*TENURE, *EXPOSURE, *(pull.feature for pull in BUREAU)]


class Book:
    """The landing as known on the night. Accounts and customers get numbers, which are cheaper to join."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._as_of = night.as_of
        self._month_start = night.as_of.replace(day=1)

    def read(self) -> None:
        """Read the policy, and find superseded rows of payments and bureau pulls."""
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
        """Find who is on the book, and on which terms."""
        servicing = self._scan("loan_servicing").filter(pl.col("snapshot_date") == self._as_of)
        self._snapshot = _last(servicing, "account_id").with_columns(_floats()).collect(engine="streaming")
        accounts = self._scan("accounts")
        opened = (
            self._snapshot.lazy()
            .filter(_is_open())
            .join(accounts, on="account_id", how="semi")
            .sort("account_id")
            .with_row_index("account")
        )
        # A version counts from the day before it was loaded, the first version from the beginning.
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
        """Find the accounts to score: those that are not in default on the as-of date."""
        servicing = self._scan("loan_servicing").filter(pl.col("snapshot_date") <= self._as_of)
        snapshot = ["account_id", "snapshot_date"]
        suspects = (
            servicing.filter(self._is_default)
            .join(self._book.lazy().select("account_id"), on="account_id", how="semi")
            .select(snapshot)
            .unique()
            .collect(engine="streaming")
        )
        # Only the last version of a snapshot counts.
        shown = _last(servicing.join(suspects.lazy(), on=snapshot, how="semi"), *snapshot).filter(self._is_default)
        reported = _last(self._scan("default_events"), "account_id").filter(pl.col("defaulted_on") <= self._as_of)
        defaulted = pl.concat([shown.select("account_id"), reported.select("account_id")])
        self.scored = self._book.join(defaulted.collect(engine="streaming"), on="account_id", how="anti").sort(
            "account"
        )

    def add_customers(self) -> None:
        """Read exposures, incomes and bureau files of the customers of the book."""
        as_of = pl.lit(self._as_of)
        servicing = self._scan("loan_servicing").filter(
            pl.col("snapshot_date") >= self._as_of - timedelta(days=40), pl.col("snapshot_date") < self._as_of
        )
        # Accounts of the book's customers that are missing from the snapshot, by their last state of 40 days.
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
                missing.with_columns(_floats())
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

    def others(self, accounts: pl.DataFrame) -> pl.DataFrame:
        """All features without windows, of some accounts, in their order."""
        tenure = self._months_since("opened_on")
        income, owed = pl.col("annual_income"), pl.col("owed")
        is_borrower = pl.col("borrower").is_not_null()
        return (
            accounts.lazy()
            .join(self._exposures.lazy(), on="borrower", how="left", maintain_order="left")
            .join(self._incomes.lazy(), on="borrower", how="left", maintain_order="left")
            .join(self._bureau.lazy(), on="borrower", how="left", maintain_order="left")
            .select(
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
                customer_open_accounts=pl.when(is_borrower).then(pl.col("open_accounts").fill_null(0).cast(pl.Int32)),
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
            .collect()
        )

    def months(self, accounts: pl.DataFrame) -> pl.DataFrame:
        """One row per account and month that has a snapshot."""
        ids = accounts.lazy().select("place", "account_id")
        flags = {name: pl.col("account_status") == name[3:] for name in ("is_inactive", "is_paid_in_full")}
        staged = (
            self._scan("loan_servicing")
            .filter(
                pl.col("account_id").is_between(pl.lit(accounts["account_id"][0]), pl.lit(accounts["account_id"][-1])),
                pl.col("snapshot_date") < self._month_start,
                pl.col("snapshot_date") >= _months_before(self._month_start, MONTHS - 1),
            )
            .join(ids, on="account_id")
            .with_columns(_floats(), m=self._months_since("snapshot_date").cast(pl.Int8), **flags)
            .select("place", "m", *SNAPSHOT, "snapshot_date", *VERSION)
            .collect(engine="streaming")
        )
        # Sort only the rows whose account and month occur twice.
        key = pl.col("place").cast(pl.Int64) * 32 + pl.col("m")
        is_twice = key.is_in(_repeated(staged.select(key).to_series()).implode())
        settled = staged.filter(is_twice).sort("snapshot_date", *VERSION).unique(["place", "m"], keep="last")
        staged = pl.concat([staged.filter(~is_twice), settled]).drop("snapshot_date", *VERSION)
        unlimited = staged.filter(pl.col("credit_limit").is_null()).drop("credit_limit")
        if len(unlimited):
            end = (
                pl.lit(self._month_start)
                .dt.offset_by(pl.format("-{}mo", pl.col("m").cast(pl.Int32) - 1))
                .dt.offset_by("-1d")
            )
            limits = (
                unlimited.join(accounts.select("place", "account"), on="place")
                .join(self._terms, on="account")
                .filter(_is_known(end))
                .rename({"original_limit": "credit_limit"})
            )
            staged = pl.concat([staged.filter(pl.col("credit_limit").is_not_null()), limits.select(staged.columns)])
        now = accounts.select(
            "place",
            pl.lit(0, pl.Int8).alias("m"),
            "balance",
            pl.coalesce("credit_limit", "original_limit").alias("credit_limit"),
            *MONEY[2:],
            "days_past_due",
            *(flag.alias(name) for name, flag in flags.items()),
        )
        return pl.concat([staged, now])

    def ledger(self, accounts: pl.DataFrame) -> pl.DataFrame:
        """One row per account and month with a payment."""
        m = self._months_since("paid_on").cast(pl.Int8)
        # The due day of a month is that of the terms known at its end.
        end = pl.min_horizontal(pl.col("paid_on").dt.month_end(), pl.lit(self._as_of))
        ids = accounts.lazy().select("account", "place", "account_id")
        terms = self._terms.lazy().select(
            "account", "known_from", "known_before", due_day=pl.min_horizontal(pl.col("opened_on").dt.day(), 28)
        )
        is_good = ~pl.col("is_returned").fill_null(False)
        late = pl.col("paid_on").dt.day().cast(pl.Int32) - pl.col("due_day")
        return (
            self._scan("payments")
            .filter(
                pl.col("account_id").is_between(pl.lit(accounts["account_id"][0]), pl.lit(accounts["account_id"][-1])),
                pl.col("paid_on") <= self._as_of,
                pl.col("paid_on") >= _months_before(self._month_start, MONTHS - 1),
            )
            .join(self._replaced_payments, on="row", how="anti")
            .join(ids.join(terms, on="account"), on="account_id")
            .filter(_is_known(end))
            .select(
                "place",
                m=m,
                is_good=is_good,
                returned_amount=pl.when(~is_good).then(pl.col("amount").cast(pl.Float64)).otherwise(0),
                days_late=pl.when(is_good).then(late.clip(lower_bound=0)),
            )
            .group_by("place", "m")
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


def abreast(rows: int, months: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """The months of an account as columns of one row, in the order of the accounts.

    Two other ways were measured and rejected. Windows as filtered aggregates over rows of months take three times as
    long as horizontal expressions over columns. Joining each month copies the columns of all months before it.
    """
    frames = []
    for frame, columns in ((months.with_columns(is_seen=pl.lit(True)), [*SNAPSHOT, "is_seen"]), (ledger, LEDGER)):
        parts = frame.partition_by("m", as_dict=True)
        for m in range(MONTHS):
            month = parts.get((m,), frame.clear())
            place = pl.repeat(None, rows, dtype=pl.UInt32, eager=True)
            place = place.scatter(month["place"], pl.int_range(len(month), dtype=pl.UInt32, eager=True))
            frames.append(month.select(pl.col(columns).gather(place).name.suffix(f"_{m}")))
    return pl.concat(frames, how="horizontal")


def measures(ago: int, ledger_months: int) -> dict[str, pl.Expr]:
    """The measures of one month, over the columns of `abreast`."""

    def now(name: str) -> pl.Expr:
        return pl.col(f"{name}_{ago}")

    def flag(condition: pl.Expr) -> pl.Expr:
        return condition.cast(pl.Int32)

    def booked(name: str, none: int | bool) -> pl.Expr:
        is_observed = now("is_seen") & (ago < ledger_months)
        return pl.when(is_observed).then(now(name).fill_null(none))

    balance_before, late_before = pl.col(f"balance_{ago + 1}"), pl.col(f"days_past_due_{ago + 1}")
    paydown = balance_before - now("balance")
    due = now("scheduled_payment") - now("amount_paid")
    days_late = pl.when(now("is_seen")).then(now("days_late"))
    return {
        "days_past_due": now("days_past_due"),
        "is_late": flag(now("days_past_due") > 0),
        "is_30_dpd": flag(now("days_past_due") >= 30),
        "is_60_dpd": flag(now("days_past_due") >= 60),
        "is_worse": flag(now("days_past_due") > late_before),
        "is_better": flag(now("days_past_due") < late_before),
        "balance": now("balance"),
        "credit_limit": now("credit_limit"),
        "utilization": _ratio(now("balance"), now("credit_limit")),
        "is_over_limit": flag(now("balance") > now("credit_limit")),
        "is_inactive": flag(now("is_inactive")),
        "is_paid_in_full": flag(now("is_paid_in_full")),
        "paydown": paydown,
        "paydown_ratio": _ratio(paydown, balance_before),
        "amount_paid": now("amount_paid"),
        "payment_ratio": _ratio(now("amount_paid"), now("scheduled_payment")),
        "paid_to_balance": _ratio(now("amount_paid"), balance_before),
        "paid_to_limit": _ratio(now("amount_paid"), now("credit_limit")),
        "shortfall": due.clip(lower_bound=0),
        "is_short_paid": flag(now("amount_paid") < now("scheduled_payment")),
        "payment_count": booked("payment_count", 0),
        "returned_count": booked("returned_count", 0),
        "returned_amount": booked("returned_amount", 0),
        "days_late": days_late,
        "is_paid_late": flag(days_late > 5),
        "is_unpaid": flag(booked("is_unpaid", True)),
    }


def windows(months: pl.LazyFrame, features: Sequence[Window], ledger_months: int) -> pl.LazyFrame:
    """Every window of the rows of `abreast`."""
    lengths = {}
    for window in features:
        months_needed = window.months + 1 if window.stat == "change" else window.months
        lengths[window.measure] = max(lengths.get(window.measure, 0), months_needed)
    measured = {
        f"{name}_{ago}": expression
        for ago in range(MONTHS - 1)
        for name, expression in measures(ago, ledger_months).items()
        if ago < lengths[name]
    }
    parts = {}
    for window in features:
        columns = [f"{window.measure}_{ago}" for ago in range(window.months)]
        for part in PARTS.get(window.stat, ()):
            parts[f"{part}_{window.measure}_{window.months}m"] = _part(part, columns)
    named = {window.feature: _statistic(window) for window in features}
    return months.with_columns(**measured).with_columns(**parts).select("account_id", *OTHERS, **named)


# The parts of a statistic. Statistics without parts are computed from the months directly.
PARTS = {
    "sum": ("count", "sum"),
    "avg": ("count", "sum"),
    "slope": ("count", "sum", "sum_t", "sum_tt", "sum_xt"),
    "std": ("count", "sum"),
    "seen": ("count",),
}


def _part(part: str, columns: list[str]) -> pl.Expr:
    """A part of a statistic over some months; t is the number of an observed month."""
    if part == "sum":
        return pl.sum_horizontal(columns)
    if part == "count":
        return pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int32) for name in columns)
    if part == "sum_xt":
        return pl.sum_horizontal(pl.col(name) * ago for ago, name in enumerate(columns))
    weights = [ago if part == "sum_t" else ago * ago for ago in range(len(columns))]
    return pl.sum_horizontal(
        pl.col(name).is_not_null().cast(pl.Int32) * weight for weight, name in zip(weights, columns, strict=True)
    )


def _statistic(window: Window) -> pl.Expr:
    """A window's feature over the parts and the months."""
    measure, stat, length = window.measure, window.stat, window.months
    columns = [pl.col(f"{measure}_{ago}") for ago in range(length)]
    value = _value(stat, columns, pl.col(f"{measure}_{length}"), f"_{measure}_{length}m")
    return value.cast(pl.Int32) if window.is_whole else value.cast(pl.Float64).round(6, mode="half_away_from_zero")


def _value(stat: str, columns: list[pl.Expr], before: pl.Expr, parts: str) -> pl.Expr:
    if stat == "last":
        return columns[0]
    if stat == "change":
        return columns[0] - before
    if stat in ("max", "min"):
        return (pl.max_horizontal if stat == "max" else pl.min_horizontal)(columns)
    if stat == "since":
        return pl.coalesce(pl.when(column > 0).then(ago) for ago, column in enumerate(columns))
    n, x = pl.col("count" + parts), pl.col("sum" + parts)
    if stat == "seen":
        return n
    if stat == "sum":
        return pl.when(n > 0).then(x)
    mean = x / pl.when(n > 0).then(n)
    if stat == "avg":
        return mean
    if stat == "std":
        return (pl.sum_horizontal((column - mean) ** 2 for column in columns) / pl.when(n > 0).then(n)).sqrt()
    t, tt, xt = (pl.col(part + parts) for part in ("sum_t", "sum_tt", "sum_xt"))
    spread = n * tt - t * t
    return (x * t - n * xt) / pl.when(spread != 0).then(spread)


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return pl.when(below > 0).then((above / below).clip(-1000, 1000).round(6, mode="half_away_from_zero"))


def _pull(pull: Pull) -> pl.Expr:
    """A bureau feature over the pulls of a customer, in their order."""
    if pull.stat == "count":
        value = pl.len()
    elif pull.stat == "age":
        value = pl.col("age").min()
    else:
        column, age = pl.col(pull.column), pl.col("age")
        if pull.stat in ("latest", "change"):
            value = column.last()
            if pull.stat == "change":
                value -= column.filter(age >= pull.days).last()
        else:
            if pull.days:
                column = column.filter(age <= pull.days)
            value = {"max": column.max, "min": column.min, "avg": column.mean}[pull.stat]()
    value = value.cast(pl.Int32) if pull.is_whole else value.cast(pl.Float64).round(6, mode="half_away_from_zero")
    return value.alias(pull.feature)


def _last(frame: pl.LazyFrame, *grain: str) -> pl.LazyFrame:
    """The version loaded last."""
    return frame.sort(VERSION).unique(grain, keep="last", maintain_order=True)


def _repeated(keys: pl.Series) -> pl.Series:
    """The keys that occur more than once. Sorting numbers is cheaper than grouping by them."""
    keys = keys.sort()
    return keys.filter(keys == keys.shift()).unique()


def _floats() -> pl.Expr:
    return pl.col(MONEY).cast(pl.Float64)


def _is_open() -> pl.Expr:
    return ~pl.col("account_status").fill_null("current").is_in(NOT_OPEN)


def _is_known(on: pl.Expr) -> pl.Expr:
    """The terms are those known on a date."""
    return (pl.col("known_from").is_null() | (pl.col("known_from") <= on)) & (
        pl.col("known_before").is_null() | (pl.col("known_before") > on)
    )


def _sum(values: str | pl.Expr) -> pl.Expr:
    """The sum, null without a value, as in SQL."""
    values = pl.col(values) if isinstance(values, str) else values
    return pl.when(values.count() > 0).then(values.sum())


def _months_before(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def run(night: Night, clock: Clock, features: Sequence[Window] = WINDOWS) -> int:
    """Compute the features and score them. Returns the number of accounts.

    features: the features over months, if not those of the specification.
    """
    if pl.thread_pool_size() != night.threads:
        raise SystemExit(f"set POLARS_MAX_THREADS to {night.threads}: Polars has {pl.thread_pool_size()} threads")
    book = Book(night)
    for step in (book.read, book.open, book.find_defaults, book.add_customers):
        with clock.stage(step.__name__):
            step()
    booster, inputs = night.booster(), night.inputs()
    scores = []
    folder = night.out.with_suffix(".features")
    folder.mkdir(exist_ok=True)
    for number, accounts in enumerate(book.scored.iter_slices(ACCOUNTS_AT_A_TIME)):
        accounts = accounts.with_row_index("place")
        with clock.stage("months"):
            months = book.months(accounts)
        with clock.stage("ledger"):
            ledger = book.ledger(accounts)
        with clock.stage("windows"):
            others = book.others(accounts)
            rows = pl.concat([others, abreast(len(others), months, ledger)], how="horizontal")
            table = windows(rows.lazy(), features, book.ledger_months).collect()
        with clock.stage("write"):
            table.write_parquet(folder / f"part-{number:05d}.parquet", compression="snappy")
        with clock.stage("score"):
            for batch in table.iter_slices(BATCH_ROWS):
                columns = batch.select(pl.col(inputs).cast(pl.Float32).fill_null(float("nan")))
                pd = command.predict(booster, [column.to_numpy() for column in columns])
                scores.append(batch.select("account_id", pd=pl.Series(pd)))
    pl.concat(scores).write_parquet(night.out)
    return sum(map(len, scores))


if __name__ == "__main__":
    command.main(run)
