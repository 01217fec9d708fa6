"""A peer: the same features and scores with pandas and NumPy, months as rows of matrices, windows as reductions.

Money is float64 here, so a last bit may differ from exact decimals.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import command
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from command import Clock, Night
from features import BUREAU, FEATURES, WINDOWS, Pull, Window

ACCOUNTS_AT_A_TIME = 600_000
# A matrix of 24 months for this many accounts stays in the processor's cache.
BLOCK = 8_192
BATCH_ROWS = 32_768
MONTHS = 25  # includes the month before the last one of the longest window

TABLES = (
    "accounts", "bureau_pulls", "customers", "default_events", "loan_servicing", "payments", "policy_overrides",
)  # fmt: skip
SNAPSHOT = ["balance", "credit_limit", "scheduled_payment", "amount_paid", "days_past_due"]
VERSION = ["_loaded_at", "_load_id"]
Columns = dict[str, np.ndarray]


class Landing:
    """The landing tables as known on the night, read as frames of numbers.

    pandas would read each decimal as an object and each id as a separate string. Arrow gives floats and categories.
    """

    def __init__(self, night: Night) -> None:
        self._known_at = pd.Timestamp(night.known_at)
        self._files = {table: sorted(night.landing.glob(f"*/{table}/*.parquet")) for table in TABLES}
        loads = set()
        for files in self._files.values():
            found = pq.read_table(files, columns=["_load_id"], read_dictionary=["_load_id"]).column(0)
            loads.update(name for chunk in found.chunks for name in chunk.dictionary.to_pylist())
        self._loads = sorted(loads)

    def frame(
        self,
        table: str,
        columns: Sequence[str],
        *,
        within: tuple[str, date, date] | None = None,
        keep: Callable[[pd.DataFrame], pd.Series] | None = None,
        key: str = "account_id",
        ids: pd.Index | None = None,
    ) -> pd.DataFrame:
        """Rows of a table, each with its number in the landing as `row`.

        within: a date column, and its first and last day.
        keep: which rows are wanted.
        ids: in order; only their rows are read, and their `place` in ids replaces the key.
        """
        columns = [
            *dict.fromkeys([*columns, *VERSION, *([within[0]] if within else []), *([] if ids is None else [key])])
        ]
        bounds = [within] if within else []
        if ids is not None:
            bounds.append((key, ids[0], ids[-1]))
        frames = []
        for numbers, part in self._parts(table, columns, bounds):
            rows = (part["_loaded_at"] <= self._known_at).to_numpy()
            if within:
                rows = rows & part[within[0]].between(pd.Timestamp(within[1]), pd.Timestamp(within[2])).to_numpy()
            if keep:
                rows = rows & keep(part).to_numpy()
            if ids is not None:
                place = np.append(ids.get_indexer(part[key].cat.categories), -1)[part[key].cat.codes].astype(np.int32)
                rows = rows & (place >= 0)
                part = part.drop(columns=key).assign(place=place)
            part["row"] = numbers
            part["_load_id"] = part["_load_id"].cat.set_categories(self._loads).cat.codes
            frames.append(part if rows.all() else part[rows])
        return pd.concat(frames, ignore_index=True)

    def replaced(self, table: str, key: str) -> np.ndarray:
        """Numbers of the rows that a later version supersedes."""
        found = pq.read_table(self._files[table], columns=[key, *VERSION], read_dictionary=["_load_id"])
        is_known = pc.less_equal(found["_loaded_at"], pa.scalar(self._known_at, found["_loaded_at"].type))
        counts = pc.value_counts(found[key].filter(is_known))
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        rows = pc.indices_nonzero(pc.and_(pc.is_in(found[key], twice), is_known))
        versions = found.take(rows).to_pandas().assign(row=rows.to_numpy()).sort_values(VERSION)
        return versions.loc[versions.duplicated(key, keep="last"), "row"].to_numpy()

    def first(self, table: str, column: str) -> pd.Timestamp | None:
        """The smallest value of a column. None in an empty table."""
        rows = self.frame(table, [column])[column]
        return None if rows.isna().all() else rows.min()

    def _parts(self, table: str, columns: list[str], bounds: list[tuple]) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
        """The rows and their numbers, file by file. Row groups outside the bounds are skipped."""
        first = 0
        for path in self._files[table]:
            file = pq.ParquetFile(path, read_dictionary=[name for name in CATEGORIES if name in columns])
            names = file.schema_arrow.names
            groups, rows = [], []
            for number in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(number)
                known = [(group.column(names.index(name)).statistics, low, high) for name, low, high in bounds]
                if all(not found or (found.max >= low and found.min <= high) for found, low, high in known):
                    groups.append(number)
                    rows.append(np.arange(first, first + group.num_rows))
                first += group.num_rows
            if groups or path == self._files[table][0]:
                yield np.concatenate([*rows, np.arange(0)]), _numbers(file.read_row_groups(groups, columns=columns))


CATEGORIES = ["account_id", "customer_id", "account_status", "product", "employment_status", "_load_id"]


def _numbers(table: pa.Table) -> pd.DataFrame:
    for number, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(number, field.name, pc.cast(table.column(number), pa.float64()))
    return table.to_pandas(date_as_object=False)


class Book:
    """The accounts of the as-of date. They and their customers are places in sorted lists of ids."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._as_of = pd.Timestamp(night.as_of)
        self._landing = Landing(night)

    def read(self) -> None:
        """Read the policy, and find superseded rows of payments and bureau pulls."""
        overrides = _last(self._landing.frame("policy_overrides", ["name", "value"]), "name")
        days = command.default_days(
            [(name, value or None) for name, value in zip(overrides["name"], overrides["value"], strict=True)]
        )
        self._default_days = np.inf if days is None else days
        self._replaced_payments = self._landing.replaced("payments", "payment_id")
        self._replaced_pulls = self._landing.replaced("bureau_pulls", "pull_id")

    def open(self) -> None:
        """Find who is on the book, and on which terms."""
        landing, day = self._landing, self._night.as_of
        columns = ["account_id", *SNAPSHOT, "account_status"]
        self._snapshot = _last(
            landing.frame("loan_servicing", columns, within=("snapshot_date", day, day)), "account_id"
        )
        opened = self._snapshot[_is_open(self._snapshot)].sort_values("account_id")
        columns = ["customer_id", "product", "opened_on", "credit_limit", "apr", "term_months"]
        terms = landing.frame("accounts", columns, ids=pd.Index(opened["account_id"])).sort_values(["place", *VERSION])
        # A version counts from the day before it was loaded, the first version from the beginning.
        known_from = terms["_loaded_at"].dt.normalize() - timedelta(days=1)
        is_first = ~terms["place"].duplicated()
        terms["known_from"] = known_from.mask(is_first, pd.Timestamp.min)
        terms["known_before"] = known_from.shift(-1).mask(is_first.shift(-1, fill_value=True), pd.Timestamp.max)
        terms = terms.rename(columns={"credit_limit": "original_limit"}).drop(columns=[*VERSION, "row"])
        self._terms = terms
        then = terms[(terms["known_from"] <= self._as_of) & (terms["known_before"] > self._as_of)].set_index("place")
        book = opened.reset_index(drop=True).join(then.drop(columns=["known_from", "known_before"]), how="inner")
        self._customers = pd.Index(sorted(book["customer_id"].dropna().unique()))
        book["borrower"] = self._customers.get_indexer(book["customer_id"])
        self.book = book.reset_index(names="place")
        self._ids = pd.Index(opened["account_id"])

    def find_defaults(self) -> None:
        """Find the accounts to score: those that are not in default on the as-of date."""
        landing, day = self._landing, self._night.as_of
        columns = ["snapshot_date", "days_past_due", "account_status"]
        within = ("snapshot_date", date(1900, 1, 1), day)
        suspects = landing.frame("loan_servicing", columns, within=within, keep=self._is_default, ids=self._ids)
        ids = self._ids[np.unique(suspects["place"])]
        defaulted = ids[:0]
        if len(ids):
            # Only the last version of a snapshot counts.
            versions = landing.frame("loan_servicing", columns, within=within, ids=ids)
            versions = _last(versions, "place", "snapshot_date")
            defaulted = ids[versions.loc[self._is_default(versions), "place"].unique()]
        reported = _last(landing.frame("default_events", ["account_id", "defaulted_on"]), "account_id")
        defaulted = defaulted.append(pd.Index(reported.loc[reported["defaulted_on"] <= self._as_of, "account_id"]))
        self.scored = self.book[~self.book["account_id"].isin(defaulted)].reset_index(drop=True)

    def add_customers(self) -> None:
        """Read exposures, incomes and bureau files of the customers of the book, in rows by their places."""
        landing, day, as_of = self._landing, self._night.as_of, self._as_of
        # Accounts of the book's customers that are missing from the snapshot, by their last state of 40 days.
        columns = ["account_id", "snapshot_date", *SNAPSHOT, "account_status"]
        within = ("snapshot_date", day - timedelta(days=40), day - timedelta(days=1))
        present = pd.Index(self._snapshot["account_id"])
        missing = landing.frame(
            "loan_servicing", columns, within=within, keep=lambda part: ~part["account_id"].isin(present)
        )
        missing = missing.sort_values(["snapshot_date", *VERSION]).drop_duplicates("account_id", keep="last")
        missing = missing[_is_open(missing)]
        owners = landing.frame(
            "accounts",
            ["account_id", "customer_id", "opened_on"],
            keep=lambda part: part["account_id"].isin(missing["account_id"]),
        )
        owners["customer_id"] = owners["customer_id"].astype(str)
        owners = owners.groupby(owners["account_id"].astype(str))[["customer_id", "opened_on"]].min()
        missing = missing.assign(account_id=missing["account_id"].astype(str)).join(
            owners, on="account_id", how="inner"
        )
        missing["borrower"] = self._customers.get_indexer(missing["customer_id"])
        states = pd.concat([self.book, missing])
        states = states[states["opened_on"].isna() | (states["opened_on"] < as_of)]
        states["is_late"] = (states["days_past_due"] > 0).where(states["days_past_due"].notna())
        borrowers = pd.RangeIndex(len(self._customers))
        groups = states[states["borrower"] >= 0].groupby("borrower")
        sums = groups[["balance", "credit_limit", "scheduled_payment", "is_late"]].sum(min_count=1)
        self._exposures = pd.DataFrame(
            {
                "open_accounts": groups.size(),
                "owed": sums["balance"],
                "limit": sums["credit_limit"],
                "scheduled": sums["scheduled_payment"],
                "worst_days_past_due": groups["days_past_due"].max(),
                "late_accounts": sums["is_late"],
                "largest_balance": groups["balance"].max(),
                "first_opened_on": groups["opened_on"].min(),
                "last_opened_on": groups["opened_on"].max(),
            }
        ).reindex(borrowers)
        self._exposures["late_accounts"] = self._exposures["late_accounts"].mask(
            self._exposures["open_accounts"].isna(), 0
        )
        self._exposures["open_accounts"] = self._exposures["open_accounts"].fillna(0)
        # The last version loaded by the night after the date, else the earliest.
        columns = ["annual_income", "employment_status"]
        versions = landing.frame("customers", columns, key="customer_id", ids=self._customers).sort_values(VERSION)
        is_later = versions["_loaded_at"].dt.normalize() > as_of + timedelta(days=1)
        then = versions[~is_later].drop_duplicates("place", keep="last").set_index("place")
        first = versions.drop_duplicates("place").set_index("place")
        self._incomes = then.reindex(borrowers)
        is_missing = ~borrowers.isin(then.index)
        self._incomes[is_missing] = first.reindex(borrowers)[is_missing]
        self._bureau = self._bureau_features()

    def _bureau_features(self) -> Columns:
        columns = list(dict.fromkeys(["pulled_on", *(pull.column for pull in BUREAU)]))
        within = ("pulled_on", _months_before(self._night.as_of, 23), self._night.as_of)
        pulls = self._landing.frame("bureau_pulls", columns, within=within, key="customer_id", ids=self._customers)
        pulls = pulls[~np.isin(pulls["row"], self._replaced_pulls)].sort_values(["place", "pulled_on"])
        # Sort by id only the few pulls that share a day.
        of_a_day = pulls.duplicated(["place", "pulled_on"], keep=False).to_numpy()
        pulls[of_a_day] = pulls[of_a_day].sort_values(["place", "pulled_on", "pull_id"])
        place = pulls["place"].to_numpy()
        age = (self._as_of - pulls["pulled_on"]).dt.days.to_numpy()
        values = {name: pulls[name].to_numpy(np.float64) for name in columns if name not in ("pulled_on", "pull_id")}
        return {pull.feature: self._pull(pull, place, age, values) for pull in BUREAU}

    def _pull(self, pull: Pull, place: np.ndarray, age: np.ndarray, values: Columns) -> np.ndarray:
        """A bureau feature of every customer, over pulls in their order."""

        def last(rows: np.ndarray) -> np.ndarray:
            found = np.full(len(self._customers), np.nan)
            found[place[rows]] = values[pull.column][rows]
            return found

        customers = pd.RangeIndex(len(self._customers))
        if pull.stat == "count":
            counts = np.bincount(place, minlength=len(customers)).astype(np.float64)
            return np.where(counts > 0, counts, np.nan)
        if pull.stat == "age":
            return pd.Series(age).groupby(place).min().reindex(customers).to_numpy(np.float64)
        if pull.stat == "latest":
            return last(np.arange(len(place)))
        if pull.stat == "change":
            return last(np.arange(len(place))) - last(np.flatnonzero(age >= pull.days))
        rows = age <= (pull.days or np.inf)
        groups = pd.Series(values[pull.column][rows]).groupby(place[rows])
        stat = {"avg": groups.mean, "max": groups.max, "min": groups.min}[pull.stat]
        return stat().reindex(customers).to_numpy(np.float64)

    def others(self, accounts: pd.DataFrame) -> Columns:
        """All features without windows, of some accounts."""
        # A place of -1 takes the row of nulls at the end.
        borrower = accounts["borrower"]
        exposure = self._exposures.reindex(borrower)
        income = self._incomes.reindex(borrower)
        balance, owed = accounts["balance"].to_numpy(), exposure["owed"].to_numpy()
        annual, status = income["annual_income"].to_numpy(), income["employment_status"].astype(object)
        tenure, term = self._months_since(accounts["opened_on"]), accounts["term_months"].to_numpy(np.float64)
        worst = exposure["worst_days_past_due"].to_numpy()
        bureau = {name: np.append(values, np.nan)[borrower] for name, values in self._bureau.items()}
        return bureau | {
            "months_on_book": tenure,
            "is_credit_line": _flag(accounts["product"].astype(object), ["credit_line"]),
            "apr": accounts["apr"].to_numpy(),
            "term_months": term,
            "remaining_term_months": term - tenure,
            "share_of_term_elapsed": _ratio(tenure, term),
            "original_limit": accounts["original_limit"].to_numpy(),
            "scheduled_payment": accounts["scheduled_payment"].to_numpy(),
            "scheduled_to_balance": _ratio(accounts["scheduled_payment"].to_numpy(), balance),
            "customer_open_accounts": exposure["open_accounts"].to_numpy(),
            "customer_balance": owed,
            "customer_credit_limit": exposure["limit"].to_numpy(),
            "customer_utilization": _ratio(owed, exposure["limit"].to_numpy()),
            "customer_worst_dpd": worst,
            "customer_late_accounts": exposure["late_accounts"].to_numpy(np.float64),
            "customer_concentration": _ratio(exposure["largest_balance"].to_numpy(), owed),
            "customer_payment_to_income": _ratio(12 * exposure["scheduled"].to_numpy(), annual),
            "customer_debt_to_income": _ratio(owed, annual),
            "customer_income": annual,
            "is_self_employed": _flag(status, ["self_employed"]),
            "is_without_employment": _flag(status, ["unemployed", "student"]),
            "customer_months_as_borrower": self._months_since(exposure["first_opened_on"]),
            "customer_months_from_last_opening": self._months_since(exposure["last_opened_on"]),
            "share_of_customer_balance": _ratio(balance, owed),
            "customer_worst_dpd_elsewhere": worst - accounts["days_past_due"].to_numpy(np.float64),
        }

    def months(self, accounts: pd.DataFrame) -> Columns:
        """Snapshots as matrices of months (month 0 first) and accounts, NaN if there is none."""
        count, day = len(accounts), self._night.as_of
        frame = self._landing.frame(
            "loan_servicing",
            ["snapshot_date", *SNAPSHOT, "account_status"],
            within=("snapshot_date", _months_before(day, MONTHS - 1), day.replace(day=1) - timedelta(days=1)),
            ids=pd.Index(accounts["account_id"]),
        )
        cells = self._months_since(frame["snapshot_date"]).astype(np.int64) * count + frame["place"].to_numpy()
        # The last write to a cell stays, so only cells with several rows need an order.
        is_shared = np.bincount(cells, minlength=MONTHS * count)[cells] > 1
        rows = np.arange(len(frame))
        rows[is_shared] = frame[is_shared].sort_values(["snapshot_date", *VERSION]).index
        is_unlimited = frame["credit_limit"].isna()
        if is_unlimited.any():
            places = accounts["place"].to_numpy()[frame.loc[is_unlimited, "place"]]
            ends = frame.loc[is_unlimited, "snapshot_date"] + pd.offsets.MonthEnd(0)
            frame.loc[is_unlimited, "credit_limit"] = self._terms_on(places, ends)["original_limit"].to_numpy()
        now = accounts.assign(credit_limit=accounts["credit_limit"].fillna(accounts["original_limit"]))

        def matrix(column: Callable[[pd.DataFrame], pd.Series]) -> np.ndarray:
            values = np.full(MONTHS * count, np.nan)
            values[cells[rows]] = column(frame).to_numpy(np.float64)[rows]
            values[:count] = column(now).to_numpy(np.float64)
            return values.reshape(MONTHS, count)

        matrices = {name: matrix(lambda rows, name=name: rows[name]) for name in SNAPSHOT}
        matrices["is_seen"] = matrix(lambda rows: rows["place"] >= 0)
        for status in ("inactive", "paid_in_full"):
            matrices[f"is_{status}"] = matrix(
                lambda rows, status=status: (rows["account_status"] == status).where(rows["account_status"].notna())
            )
        return matrices

    def ledger(self, accounts: pd.DataFrame) -> Columns:
        """Payments as matrices of months and accounts. Without a payment it is NaN, or a count of 0."""
        count, day = len(accounts), self._night.as_of
        frame = self._landing.frame(
            "payments",
            ["paid_on", "amount", "is_returned"],
            within=("paid_on", _months_before(day, MONTHS - 1), day),
            ids=pd.Index(accounts["account_id"]),
        )
        is_replaced = np.zeros(frame["row"].max() + 1 if len(frame) else 0, dtype=bool)
        is_replaced[self._replaced_payments[self._replaced_payments < len(is_replaced)]] = True
        frame = frame[~is_replaced[frame["row"]]].reset_index(drop=True)
        place = frame["place"].to_numpy()
        cells = self._months_since(frame["paid_on"]).astype(np.int64) * count + place
        # The due day of a month is that of the terms known at its end. Few accounts ever change it.
        terms = self._terms.assign(opened_on=self._terms["opened_on"].fillna(pd.Timestamp(1900, 1, 1)))
        opened = terms.groupby("place")["opened_on"].agg(["min", "max"]).reindex(accounts["place"])
        due_day = accounts["opened_on"].dt.day.clip(upper=28).to_numpy(np.float64)[place]
        is_redated = (opened["min"] != opened["max"]).to_numpy()[place]
        if is_redated.any():
            ends = (frame.loc[is_redated, "paid_on"] + pd.offsets.MonthEnd(0)).clip(upper=self._as_of)
            then = self._terms_on(accounts["place"].to_numpy()[place[is_redated]], ends)
            due_day[is_redated] = then["opened_on"].dt.day.clip(upper=28).to_numpy(np.float64)
        is_returned = frame["is_returned"].eq(True).to_numpy()

        def sums(rows: np.ndarray | slice, weights: np.ndarray | None = None) -> np.ndarray:
            return np.bincount(cells[rows], weights, MONTHS * count).reshape(MONTHS, count)

        late = np.maximum(frame["paid_on"].dt.day.to_numpy(np.float64) - due_day, 0)
        days_late = np.full(MONTHS * count, np.nan)
        np.fmax.at(days_late, cells[~is_returned], late[~is_returned])
        return {
            "payment_count": sums(slice(None)),
            "returned_count": sums(is_returned),
            "returned_amount": sums(is_returned, frame["amount"].fillna(0).to_numpy()[is_returned]),
            "is_unpaid": sums(~is_returned) == 0,
            "days_late": days_late.reshape(MONTHS, count),
        }

    def ledger_months(self) -> int:
        """How many months back the lender's ledger goes."""
        first = self._landing.first("payments", "paid_on")
        return 0 if first is None else max(0, int(self._months_since(pd.Series([first]))[0]) + 1)

    def _terms_on(self, places: np.ndarray, days: pd.Series) -> pd.DataFrame:
        """The terms of accounts, each as known on its day."""
        asked = pd.DataFrame({"place": places, "day": days.to_numpy(), "number": np.arange(len(places))})
        found = asked.merge(self._terms, on="place")
        return (
            found[(found["known_from"] <= found["day"]) & (found["known_before"] > found["day"])]
            .set_index("number")
            .sort_index()
        )

    def _months_since(self, days: pd.Series) -> np.ndarray:
        """Calendar months up to the as-of date, NaN without a day."""
        return ((self._as_of.year * 12 + self._as_of.month) - (days.dt.year * 12 + days.dt.month)).to_numpy(np.float64)

    def _is_default(self, rows: pd.DataFrame) -> pd.Series:
        return (rows["account_status"] == "charged_off") | (rows["days_past_due"] >= self._default_days)


def measures(months: Columns, ledger_months: int) -> Columns:
    """Every measure of some accounts, as matrices of months and accounts, NaN for null."""
    now = {name: values[:-1] for name, values in months.items()}
    balance, limit, paid, scheduled = (
        now[name] for name in ("balance", "credit_limit", "amount_paid", "scheduled_payment")
    )
    late = now["days_past_due"]
    balance_before, late_before = months["balance"][1:], months["days_past_due"][1:]
    paydown = balance_before - balance
    is_booked = now["is_seen"] == 1
    days_late = np.where(is_booked, now["days_late"], np.nan)
    is_booked[ledger_months:] = False
    return {
        "days_past_due": late,
        "is_late": _compare(np.greater, late, 0),
        "is_30_dpd": _compare(np.greater_equal, late, 30),
        "is_60_dpd": _compare(np.greater_equal, late, 60),
        "is_worse": _compare(np.greater, late, late_before),
        "is_better": _compare(np.less, late, late_before),
        "balance": balance,
        "credit_limit": limit,
        "utilization": _ratio(balance, limit),
        "is_over_limit": _compare(np.greater, balance, limit),
        "is_inactive": now["is_inactive"],
        "is_paid_in_full": now["is_paid_in_full"],
        "paydown": paydown,
        "paydown_ratio": _ratio(paydown, balance_before),
        "amount_paid": paid,
        "payment_ratio": _ratio(paid, scheduled),
        "paid_to_balance": _ratio(paid, balance_before),
        "paid_to_limit": _ratio(paid, limit),
        "shortfall": np.maximum(scheduled - paid, 0),
        "is_short_paid": _compare(np.less, paid, scheduled),
        "payment_count": np.where(is_booked, now["payment_count"], np.nan),
        "returned_count": np.where(is_booked, now["returned_count"], np.nan),
        "returned_amount": np.where(is_booked, now["returned_amount"], np.nan),
        "days_late": days_late,
        "is_paid_late": _compare(np.greater, days_late, 5),
        "is_unpaid": np.where(is_booked, now["is_unpaid"], np.nan),
    }


def windows(measured: Columns, features: Sequence[Window]) -> Columns:
    """Every window of some accounts."""
    found = {}
    for measure in dict.fromkeys(window.measure for window in features):
        values = measured[measure]
        parts = _Parts(values)
        for window in features:
            if window.measure == measure:
                value = _statistic(parts, window.stat, window.months)
                found[window.feature] = value if window.is_whole else np.round(value, 6)
    return found


def in_blocks(months: Columns, features: Sequence[Window], ledger_months: int, threads: int) -> Columns:
    """Every window of a batch of accounts, some thousands at a time in parallel threads."""
    count = months["balance"].shape[1]
    columns = {window.feature: np.empty(count) for window in features}

    def fill(start: int) -> None:
        block = {name: values[:, start : start + BLOCK] for name, values in months.items()}
        with np.errstate(invalid="ignore"):
            for name, values in windows(measures(block, ledger_months), features).items():
                columns[name][start : start + BLOCK] = values

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(0, count, BLOCK)))
    return columns


class _Parts:
    """The parts of the statistics of one measure. The parts of each window are computed once."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self._is_observed = ~np.isnan(values)
        self._zeroed = np.where(self._is_observed, values, 0)
        self._known: dict[tuple[str, int], np.ndarray] = {}

    def part(self, part: str, months: int) -> np.ndarray:
        """count, sum, and with t, the number of an observed month: sum_t, sum_tt, sum_xt."""
        if (part, months) not in self._known:
            ago = np.arange(months, dtype=np.float64)
            observed, zeroed = self._is_observed[:months], self._zeroed[:months]
            if part == "count":
                value = np.count_nonzero(observed, axis=0).astype(np.float64)
            elif part == "sum":
                value = zeroed.sum(axis=0)
            elif part == "sum_xt":
                value = ago @ zeroed
            else:
                value = (ago if part == "sum_t" else ago * ago) @ observed.astype(np.float64)
            self._known[part, months] = value
        return self._known[part, months]


def _statistic(parts: _Parts, stat: str, months: int) -> np.ndarray:
    values = parts.values
    if stat == "last":
        return values[0]
    if stat == "change":
        return values[0] - values[months]
    if stat == "max":
        return np.fmax.reduce(values[:months])
    if stat == "min":
        return np.fmin.reduce(values[:months])
    if stat == "since":
        is_positive = values[:months] > 0
        return np.where(is_positive.any(axis=0), is_positive.argmax(axis=0), np.nan)
    n = parts.part("count", months)
    if stat == "seen":
        return n
    n = np.where(n > 0, n, np.nan)
    x = parts.part("sum", months)
    if stat == "sum":
        return np.where(n > 0, x, np.nan)
    if stat == "avg":
        return x / n
    if stat == "std":
        return np.sqrt(np.nansum((values[:months] - x / n) ** 2, axis=0) / n)
    t, tt, xt = (parts.part(part, months) for part in ("sum_t", "sum_tt", "sum_xt"))
    spread = n * tt - t * t
    return (x * t - n * xt) / np.where(spread == 0, np.nan, spread)


def _compare(compare: np.ufunc, left: np.ndarray, right: np.ndarray | int) -> np.ndarray:
    """1 or 0, and NaN if either side is NaN."""
    return np.where(np.isnan(left) | np.isnan(right), np.nan, compare(left, right))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.clip(np.round(above / np.where(below > 0, below, np.nan), 6), -1000, 1000)


def _flag(values: pd.Series, wanted: Sequence[str]) -> np.ndarray:
    return np.where(values.isna(), np.nan, values.isin(wanted))


def _last(rows: pd.DataFrame, *grain: str) -> pd.DataFrame:
    """The version loaded last."""
    return rows.sort_values(VERSION).drop_duplicates(list(grain), keep="last")


def _is_open(rows: pd.DataFrame) -> pd.Series:
    return ~rows["account_status"].isin(["charged_off", "closed"])


def _months_before(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def _table(accounts: pd.DataFrame, columns: Columns) -> pa.Table:
    """The feature table of the night, with its types."""
    arrays = {"account_id": pa.array(accounts["account_id"], pa.string())}
    for name, values in columns.items():
        data_type = pa.int32() if FEATURES[name] else pa.float64()
        arrays[name] = pc.cast(pa.array(values, from_pandas=True), data_type)
    return pa.table(arrays)


def run(night: Night, clock: Clock, features: Sequence[Window] = WINDOWS) -> int:
    """Compute the features and score them. Returns the number of accounts.

    features: the features over months, if not those of the specification.
    """
    pa.set_cpu_count(night.threads)
    book = Book(night)
    for step in (book.read, book.open, book.find_defaults, book.add_customers):
        with clock.stage(step.__name__):
            step()
    folder = night.out.with_suffix(".features")
    folder.mkdir(exist_ok=True)
    booster, inputs = night.booster(), night.inputs()
    ledger_months = book.ledger_months()
    pds = []
    for number, first in enumerate(range(0, len(book.scored), ACCOUNTS_AT_A_TIME)):
        accounts = book.scored[first : first + ACCOUNTS_AT_A_TIME].reset_index(drop=True)
        with clock.stage("months"):
            months = book.months(accounts)
        with clock.stage("ledger"):
            months |= book.ledger(accounts)
        with clock.stage("windows"):
            columns = in_blocks(months, features, ledger_months, night.threads)
            columns |= book.others(accounts)
        with clock.stage("write"):
            # Dictionaries of floats would take twice the time and save no bytes.
            pq.write_table(_table(accounts, columns), folder / f"part-{number:05d}.parquet", use_dictionary=False)
        with clock.stage("score"):
            for start in range(0, len(accounts), BATCH_ROWS):
                pds.append(command.predict(booster, [columns[name][start : start + BATCH_ROWS] for name in inputs]))
    pd.DataFrame({"account_id": book.scored["account_id"], "pd": np.concatenate(pds)}).to_parquet(night.out)
    return len(book.scored)


if __name__ == "__main__":
    command.main(run)
