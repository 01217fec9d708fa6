"""A peer: the same features and scores with pandas and NumPy, months as rows of matrices, windows as reductions.

Money is float64 here, so that a last bit may differ from what exact decimals give.
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
MONTHS = 25  # with the month before the last one of the longest window

TABLES = (
    "accounts", "bureau_pulls", "customers", "default_events", "loan_servicing", "payments", "policy_overrides",
)  # fmt: skip
SNAPSHOT = ["balance", "credit_limit", "scheduled_payment", "amount_paid", "days_past_due"]
VERSION = ["_loaded_at", "_load_id"]
Columns = dict[str, np.ndarray]


class Landing:
    """The landing tables as the night knows them, read as frames of numbers.

    pandas would read each decimal as an object and each id as a string of its own; Arrow gives floats and categories.
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

        within: a column of days, the first and the last of them. keep: the rows wanted. ids: in order; only their rows
        are read, and the `place` in them stands for the key.
        """
        columns = [*dict.fromkeys([*columns, *VERSION, *([within[0]] if within else []), *([] if ids is None else [key])])]
        bounds = [within] if within else []
        if ids is not None:
            bounds.append((key, ids[0], ids[-1]))
        frames = []
        for row, part in self._parts(table, columns, bounds):
            part["row"] = np.arange(row, row + len(part))
            part["_load_id"] = part["_load_id"].cat.set_categories(self._loads).cat.codes
            rows = part["_loaded_at"] <= self._known_at
            if within:
                rows &= part[within[0]].between(pd.Timestamp(within[1]), pd.Timestamp(within[2]))
            if keep:
                rows &= keep(part)
            if ids is not None:
                place = np.append(ids.get_indexer(part[key].cat.categories), -1)[part[key].cat.codes]
                rows &= place >= 0
                part = part.drop(columns=key).assign(place=place.astype(np.int32))
            frames.append(part[rows])
        return pd.concat(frames, ignore_index=True)

    def replaced(self, table: str, key: str) -> np.ndarray:
        """Numbers of the rows of which a later version is known."""
        found = pq.read_table(self._files[table], columns=[key, *VERSION], read_dictionary=["_load_id"])
        is_known = pc.less_equal(found["_loaded_at"], pa.scalar(self._known_at, found["_loaded_at"].type))
        counts = pc.value_counts(found[key].filter(is_known))
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        rows = pc.indices_nonzero(pc.and_(pc.is_in(found[key], twice), is_known))
        versions = found.take(rows).to_pandas().assign(row=rows.to_numpy()).sort_values(VERSION)
        return versions.loc[versions.duplicated(key, keep="last"), "row"].to_numpy()

    def _parts(self, table: str, columns: list[str], bounds: list[tuple]) -> Iterator[tuple[int, pd.DataFrame]]:
        """Row groups, with the number of their first row; not those that lie outside of the bounds."""
        first = 0
        for path in self._files[table]:
            file = pq.ParquetFile(path, read_dictionary=[name for name in CATEGORIES if name in columns])
            names = file.schema_arrow.names
            for number in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(number)
                known = [(group.column(names.index(name)).statistics, low, high) for name, low, high in bounds]
                if all(not found or (found.max >= low and found.min <= high) for found, low, high in known):
                    yield first, _numbers(file.read_row_group(number, columns=columns))
                first += group.num_rows


CATEGORIES = ["account_id", "customer_id", "account_status", "product", "employment_status", "_load_id"]


def _numbers(table: pa.Table) -> pd.DataFrame:
    for number, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(number, field.name, pc.cast(table.column(number), pa.float64()))
    return table.to_pandas(date_as_object=False)


class Book:
    """The accounts of the as-of date; they and their customers are places in sorted lists of ids."""

    def __init__(self, night: Night) -> None:
        self._night = night
        self._as_of = pd.Timestamp(night.as_of)
        self._landing = Landing(night)

    def read(self) -> None:
        """The policy, and which rows of the payments and the bureau pulls another version has replaced."""
        overrides = _last(self._landing.frame("policy_overrides", ["name", "value"]), "name")
        days = command.default_days([(name, value or None) for name, value in zip(overrides["name"], overrides["value"], strict=True)])
        self._default_days = np.inf if days is None else days
        self._replaced_payments = self._landing.replaced("payments", "payment_id")
        self._replaced_pulls = self._landing.replaced("bureau_pulls", "pull_id")

    def open(self) -> None:
        """Who is on the book, on which terms."""
        landing, day = self._landing, self._night.as_of
        columns = ["account_id", *SNAPSHOT, "account_status"]
        self._snapshot = _last(landing.frame("loan_servicing", columns, within=("snapshot_date", day, day)), "account_id")
        opened = self._snapshot[_is_open(self._snapshot)].sort_values("account_id")
        columns = ["customer_id", "product", "opened_on", "credit_limit", "apr", "term_months"]
        terms = landing.frame("accounts", columns, ids=pd.Index(opened["account_id"])).sort_values(["place", *VERSION])
        # A version counts from the day before it was loaded, the first one from the beginning.
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
        """The accounts that are not in default on the as-of date are the ones to score."""
        landing, day = self._landing, self._night.as_of
        columns = ["snapshot_date", "days_past_due", "account_status"]
        within = ("snapshot_date", date(1900, 1, 1), day)
        suspects = landing.frame("loan_servicing", columns, within=within, keep=self._is_default, ids=self._ids)
        ids = self._ids[np.unique(suspects["place"])]
        defaulted = ids[:0]
        if len(ids):
            # A snapshot counts by its last version.
            versions = landing.frame("loan_servicing", columns, within=within, ids=ids)
            versions = _last(versions, "place", "snapshot_date")
            defaulted = ids[versions.loc[self._is_default(versions), "place"].unique()]
        reported = _last(landing.frame("default_events", ["account_id", "defaulted_on"]), "account_id")
        defaulted = defaulted.append(pd.Index(reported.loc[reported["defaulted_on"] <= self._as_of, "account_id"]))
        self.scored = self.book[~self.book["account_id"].isin(defaulted)].reset_index(drop=True)

    def add_customers(self) -> None:
        """Exposures, incomes and bureau files of the customers of the book, in rows by their places."""
        landing, day, as_of = self._landing, self._night.as_of, self._as_of
        # Accounts of the book's customers that are missing from the snapshot, by their last state of forty days.
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
        missing = missing.assign(account_id=missing["account_id"].astype(str)).join(owners, on="account_id", how="inner")
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
        # The ids settle the order of the few pulls of one day.
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
        """Everything that is not a window, of some accounts."""
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
        """Matrices of months and accounts, month 0 first: the snapshots, NaN for none."""
        last = accounts["snapshot"] if False else None
        return last
