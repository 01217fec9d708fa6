"""The floor: the least work that gives the night's account features and scores, in hand-written SQL on one engine.

No dbt, no tests, no monitoring, no marts; the same columns of the same types, from the same Parquet, with the same exact
decimals. What every account needs is written to be cheap, and what is rare (a corrected row, a second payment in a
month, terms that changed) is settled apart, so that nothing is sorted or grouped for the sake of a few.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import command
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from command import Clock, Night
from features import BUREAU, FEATURES, WINDOWS, Pull, Window

# The hash tables of 24 months take some five gigabytes for a million accounts.
# Where a row lies in the landing, as a number.
ROW = "cast(file_index as bigint) * 1099511627776 + file_row_number"
ACCOUNTS_AT_A_TIME = 600_000
BATCH_ROWS = 32_768
TABLES = (
    "accounts", "bureau_pulls", "customers", "default_events", "loan_servicing", "payments", "policy_overrides",
)  # fmt: skip
MONTHS = 25  # with the month before the last one of the longest window

# A month is made of columns of its snapshot, {m} its number and {p} that of the month before it. Quotients are divided
# in one layer and held within limits in the next: inside the case, each of its branches would divide again.
SNAPSHOT = (
    "balance", "credit_limit", "scheduled_payment", "amount_paid", "days_past_due", "is_inactive", "is_paid_in_full",
)  # fmt: skip
QUOTIENTS = {
    "utilization": ("balance_{m}", "credit_limit_{m}"),
    "paydown_ratio": ("balance_{p} - balance_{m}", "balance_{p}"),
    "payment_ratio": ("amount_paid_{m}", "scheduled_payment_{m}"),
    "paid_to_balance": ("amount_paid_{m}", "balance_{p}"),
    "paid_to_limit": ("amount_paid_{m}", "credit_limit_{m}"),
}
DERIVED = {
    "is_late": "cast(days_past_due_{m} > 0 as tinyint)",
    "is_30_dpd": "cast(days_past_due_{m} >= 30 as tinyint)",
    "is_60_dpd": "cast(days_past_due_{m} >= 60 as tinyint)",
    "is_worse": "cast(days_past_due_{m} > days_past_due_{p} as tinyint)",
    "is_better": "cast(days_past_due_{m} < days_past_due_{p} as tinyint)",
    "is_over_limit": "cast(balance_{m} > credit_limit_{m} as tinyint)",
    "paydown": "balance_{p} - balance_{m}",
    "shortfall": (
        "case when scheduled_payment_{m} < amount_paid_{m} then 0 else scheduled_payment_{m} - amount_paid_{m} end"
    ),
    "is_short_paid": "cast(amount_paid_{m} < scheduled_payment_{m} as tinyint)",
}
# Null in the same months as another measure, whose observations are counted for both.
OBSERVED_WITH = {
    "is_late": "days_past_due",
    "is_30_dpd": "days_past_due",
    "is_60_dpd": "days_past_due",
    "is_better": "is_worse",
    "is_paid_in_full": "is_inactive",
    "is_short_paid": "shortfall",
    "is_paid_late": "days_late",
}

# The ledger is summed from payment to account at once, in bands of months between the lengths of two windows. Of the
# good payments of a month only the latest has is_good and days_late.
LEDGER = {
    "sum_payment_count": "cast(count(*) as integer)",
    "sum_returned_count": "cast(sum(returned) as integer)",
    "since_returned_count": "min(case when returned > 0 then m end)",
    "sum_returned_amount": "cast(sum(returned_amount) as decimal(18, 2))",
    "sum_is_good": "cast(sum(is_good) as integer)",
    "sum_is_paid_late": "cast(sum(cast(days_late > 5 as tinyint)) as integer)",
    "count_days_late": "cast(count(days_late) as integer)",
    "sum_days_late": "cast(sum(days_late) as integer)",
    "max_days_late": "cast(max(days_late) as integer)",
    "sum_t_days_late": "cast(sum(case when days_late is not null then m end) as integer)",
    "sum_tt_days_late": "cast(sum(case when days_late is not null then cast(m as integer) * m end) as integer)",
    "sum_xt_days_late": "cast(sum(days_late * cast(m as integer)) as integer)",
}
LEDGER_MEASURES = (
    "payment_count", "returned_count", "returned_amount", "is_unpaid", "days_late", "is_paid_late",
)  # fmt: skip


class Parts:
    """The parts of which statistics are made, in layers: a longer window is the next shorter one and the months beyond.

    A part is the count, sum, max or min of a measure x over the months of a window; sum_xx; with t, the number of an
    observed month: sum_t, sum_tt, sum_xt; since, the first month with x above zero.
    """

    def __init__(self, windows: Sequence[Window], ledger_months: int) -> None:
        """ledger_months: how many months back the lender's ledger goes; none before them is observed."""
        lengths = sorted({window.months for window in windows if window.stat not in ("last", "change")})
        self.lengths = [length for length in lengths if length > 1]
        self.bands = [1, *self.lengths]
        self.layers: list[dict[str, str]] = [{} for _ in self.bands]
        self.months: dict[str, int] = {}
        self._ledger_months = ledger_months

    def month(self, measure: str, ago: int) -> str:
        """The measure in one month."""
        self.months[measure] = max(self.months.get(measure, 0), ago + 1)
        return f"{measure}_{ago}"

    def part(self, part: str, measure: str, months: int) -> str:
        """Name of the column that holds a part."""
        if part in ("count", "sum_t", "sum_tt"):
            measure = OBSERVED_WITH.get(measure, measure)
        name = f"{part}_{measure}_{months}m"
        layer = self.layers[self.bands.index(months)]
        if name not in layer:
            layer[name] = self._ledger(part, measure, months) or self._snapshots(part, measure, months)
        return name

    def _snapshots(self, part: str, measure: str, months: int) -> str:
        shorter = 0 if part == "since" else max((length for length in self.lengths if length < months), default=0)
        terms = [self.part(part, measure, shorter)] if shorter else []
        for ago in range(shorter, months):
            x = self.month(measure, ago)
            if part in ("max", "min"):
                terms.append(x)
            elif part == "sum":
                terms.append(f"coalesce({x}, 0)")
            elif part == "count":
                terms.append(f"cast({x} is not null as tinyint)")
            elif part == "sum_xx":
                terms.append(f"coalesce(cast({x} as decimal(19, 6)) * cast({x} as decimal(19, 6)), 0)")
            elif part == "since":
                terms.append(f"when {x} > 0 then {ago}")
            elif ago:
                observed = f"cast({x} is not null as integer)"
                terms.append(
                    {
                        "sum_t": f"{observed} * {ago}",
                        "sum_tt": f"{observed} * {ago * ago}",
                        "sum_xt": f"coalesce({x}, 0) * {ago}",
                    }[part]
                )
        if part == "since":
            return f"case {' '.join(terms)} end"
        if part in ("max", "min"):
            return f"{'greatest' if part == 'max' else 'least'}({', '.join(terms)})"
        return " + ".join(terms)

    def _ledger(self, part: str, measure: str, months: int) -> str | None:
        if measure not in LEDGER_MEASURES:
            return None
        bands = [number for number, last in enumerate(self.bands) if last <= months]
        observed = f"bit_count(seen & {(1 << min(months, self._ledger_months)) - 1})"
        if part == "count" and measure != "days_late":
            return observed
        if measure == "is_unpaid":
            return " - ".join([observed, *(f"coalesce(sum_is_good_band_{band}, 0)" for band in bands)])
        if part in ("since", "max"):
            columns = ", ".join(f"{part}_{measure}_band_{band}" for band in bands)
            return f"{'coalesce' if part == 'since' else 'greatest'}({columns})"
        return " + ".join(f"coalesce({part}_{measure}_band_{band}, 0)" for band in bands)


def statistic(window: Window, parts: Parts) -> str:
    """A window's feature as an expression over its parts."""

    def part(name: str) -> str:
        return parts.part(name, measure, months)

    measure, stat, months = window.measure, window.stat, window.months
    data_type = "integer" if window.is_whole else "double"
    if stat == "last":
        now = parts.part("max", measure, 1) if measure in LEDGER_MEASURES else parts.month(measure, 0)
        return f"cast({now} as {data_type})"
    if stat == "change":
        return f"cast({parts.month(measure, 0)} - {parts.month(measure, months)} as {data_type})"
    if stat in ("max", "min", "since"):
        return f"cast({part(stat)} as {data_type})"
    n = part("count")
    if stat == "seen":
        return f"cast({n} as integer)"
    x = part("sum")
    if stat == "sum":
        return f"cast(case when {n} > 0 then {x} end as {data_type})"
    if stat == "avg":
        return f"round(cast({x} as double) / nullif({n}, 0), 6)"
    if stat == "slope":
        t, tt, xt = part("sum_t"), part("sum_tt"), part("sum_xt")
        # Months count backwards, so that both products have their signs turned.
        return f"round((cast({x} as double) * {t} - {n} * cast({xt} as double)) / nullif({n} * {tt} - {t} * {t}, 0), 6)"
    if stat == "std":
        mean = f"cast({x} as double) / nullif({n}, 0)"
        variance = f"cast({part('sum_xx')} as double) / nullif({n}, 0) - power({mean}, 2)"
        return f"round(sqrt(case when {variance} < 0 then 0 else {variance} end), 6)"
    raise ValueError(f"{window.feature}: no statistic {stat}")


def windows_query(windows: Sequence[Window], ledger_months: int) -> str:
    """One row per account: its windows, over the tables seen, months and paid."""
    parts = Parts(windows, ledger_months)
    features = [f"{statistic(window, parts)} as {window.feature}" for window in windows]
    # Every layer above has named the months that it reads, and they the columns that they are made of.
    quotients, limited, derived = [], [], []
    for measure, months in parts.months.items():
        for ago in range(months):
            if measure in QUOTIENTS:
                above, below = (side.format(m=ago, p=ago + 1) for side in QUOTIENTS[measure])
                positive = f"case when {below} > 0 then {below} end"
                q = f"{measure}_{ago}_q"
                quotients.append(f"cast({above} as double) / cast({positive} as double) as {q}")
                limited.append(f"{_limited(q)} as {measure}_{ago}")
            elif measure in DERIVED:
                derived.append(f"{DERIVED[measure].format(m=ago, p=ago + 1)} as {measure}_{ago}")
    abreast = [f"month_{ago}.{column} as {column}_{ago}" for ago in range(MONTHS) for column in SNAPSHOT]
    abreast += [f"band_{number}.{part}_band_{number}" for number in range(len(parts.bands)) for part in LEDGER]
    query = f"select seen.idx, seen.seen, {', '.join(abreast)} from seen"
    for ago in range(MONTHS):
        query += f" left join (from months where m = {ago}) as month_{ago} on seen.idx = month_{ago}.idx"
    for number, (first, last) in enumerate(zip([0, *parts.bands], parts.bands, strict=False)):
        sums = ", ".join(f"{expression} as {part}_band_{number}" for part, expression in LEDGER.items())
        band = f"select idx, {sums} from paid where m between {first} and {last - 1} group by idx"
        query += f" left join ({band}) as band_{number} on seen.idx = band_{number}.idx"
    for layer in ([*quotients, *derived], limited, *([f"{e} as {n}" for n, e in x.items()] for x in parts.layers)):
        if layer:
            query = f"select *, {', '.join(layer)} from ({query})"
    return f"select idx, {', '.join(features)} from ({query})"


def _limited(quotient: str, limit: int = 1000) -> str:
    """A quotient to six places, held within the limit on both sides."""
    return (
        f"case when abs({quotient}) <= {limit} then cast({quotient} as decimal(18, 6))"
        f" when {quotient} > 0 then {limit} when {quotient} < 0 then -{limit} end"
    )


def _ratio(above: str, below: str) -> str:
    quotient = f"(cast({above} as double) / cast(case when {below} > 0 then {below} end as double))"
    return f"cast({_limited(quotient)} as double)"


class Book:
    """The landing as the night knows it, and the tables that its accounts are worked out in.

    Accounts and customers get numbers, accounts in the order of their ids: numbers are cheaper to join, and a range of
    ids is found in the Parquet without reading the rest.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, night: Night) -> None:
        self._connection = connection
        self._night = night
        self._as_of = f"date '{night.as_of}'"
        self._turns = 0

    def read(self) -> None:
        """Views of the landing tables, the policy, and the ids of which more than one version is known."""
        for table in TABLES:
            files = str(self._night.landing / "*" / table / "*.parquet").replace("'", "''")
            self._run(
                f"create temp view {table} as select *, file_index, file_row_number"
                f" from read_parquet('{files}', hive_partitioning = false)"
                f" where _loaded_at <= timestamp '{self._night.known_at}'"
            )
        overrides = self._run(f"select name, value from policy_overrides qualify {_latest('name')}").fetchall()
        days = command.default_days(overrides)
        self._is_default = "account_status = 'charged_off'" + ("" if days is None else f" or days_past_due >= {days}")
        for table, key in (("payments", "payment_id"), ("bureau_pulls", "pull_id")):
            self._repeated(f"select hash({key}) from {table}", "repeated_keys")
            self._run(
                f"""
                create temp table superseded_{table} as
                select {ROW} as landing_row from {table} where hash({key}) in (from repeated_keys)
                qualify not {_latest(key)}
                """
            )
        (first,) = self._run("select min(paid_on) from payments").fetchone()
        self.ledger_months = 0
        if first:
            self.ledger_months = (self._night.as_of.year - first.year) * 12 + self._night.as_of.month - first.month + 1

    def open(self) -> None:
        """Who is on the book, on which terms: tables terms (one row per version) and book."""
        as_of = self._as_of
        self._run(
            f"""
            create temp table snapshot as
            select account_id, balance, credit_limit, scheduled_payment, amount_paid, days_past_due, account_status
            from loan_servicing where snapshot_date = {as_of} qualify {_latest("account_id")}
            """
        )
        self._run(
            f"""
            create temp table open_accounts as
            select *, row_number() over (order by account_id) - 1 as idx
            from snapshot
            where coalesce(account_status, 'current') not in ('charged_off', 'closed')
                and account_id in (select account_id from accounts)
            """
        )
        # A version counts from the day before it was loaded, the first one from the beginning.
        self._run(
            """
            create temp table terms as
            select
                idx, customer_id, product, opened_on, accounts.credit_limit as original_limit, apr, term_months,
                case when row_number() over versions > 1 then cast(_loaded_at as date) - 1 else date '0001-01-01' end
                    as known_from,
                coalesce(lead(cast(_loaded_at as date) - 1) over versions, date '9999-12-31') as known_before
            from accounts
            inner join open_accounts using (account_id)
            window versions as (partition by idx order by _loaded_at, _load_id)
            """
        )
        self._run(
            f"""
            create temp table borrowers as
            select customer_id, row_number() over () as borrower
            from (
                select distinct customer_id from terms
                where customer_id is not null and known_from <= {as_of} and known_before > {as_of}
            )
            """
        )
        self._run(
            f"""
            create temp table book as
            select
                open_accounts.* replace (cast(open_accounts.idx as integer) as idx),
                coalesce(open_accounts.credit_limit, terms.original_limit) as limit_in_force,
                terms.* exclude (idx, customer_id, known_from, known_before),
                borrowers.borrower
            from open_accounts
            inner join terms using (idx)
            left join borrowers using (customer_id)
            where terms.known_from <= {as_of} and terms.known_before > {as_of}
            """
        )

    def find_defaults(self) -> None:
        """Table defaulted: the accounts of the book that are in default on the as-of date."""
        self._run(
            f"""
            create temp table defaults_shown as
            select account_id, snapshot_date, max(_loaded_at) as _loaded_at, arg_max(_load_id, (_loaded_at, _load_id)) as _load_id
            from loan_servicing
            where ({self._is_default}) and snapshot_date <= {self._as_of}
                and account_id in (select account_id from book)
            group by account_id, snapshot_date
            """
        )
        # A snapshot counts by its last version.
        self._run(
            f"""
            create temp table defaulted as
            select account_id from defaults_shown
            where (account_id, snapshot_date) not in (
                select (shown.account_id, shown.snapshot_date)
                from loan_servicing as later
                inner join defaults_shown as shown using (account_id, snapshot_date)
                where not coalesce({self._is_default}, false)
                    and (later._loaded_at, later._load_id) > (shown._loaded_at, shown._load_id)
            )
            union
            select account_id
            from (from default_events qualify {_latest("account_id")})
            where defaulted_on <= {self._as_of}
            """
        )

    def add_customers(self) -> None:
        """Table account_features: everything that is not a window."""
        as_of = self._as_of
        # Accounts of the book's customers that are missing from the snapshot, by their last state of forty days.
        self._run(
            f"""
            create temp table missing as
            select account_id, balance, credit_limit, scheduled_payment, days_past_due, account_status
            from loan_servicing
            where snapshot_date >= {as_of} - 40 and snapshot_date < {as_of}
                and account_id not in (select account_id from snapshot)
            qualify row_number() over (
                partition by account_id order by snapshot_date desc, _loaded_at desc, _load_id desc
            ) = 1
            """
        )
        self._run(
            f"""
            create temp table exposures as
            select
                borrower,
                count(*) as open_accounts,
                sum(balance) as balance,
                sum(credit_limit) as credit_limit,
                sum(scheduled_payment) as scheduled_payment,
                max(days_past_due) as worst_days_past_due,
                sum(cast(days_past_due > 0 as integer)) as late_accounts,
                max(balance) as largest_balance,
                min(opened_on) as first_opened_on,
                max(opened_on) as last_opened_on
            from (
                select borrower, balance, credit_limit, scheduled_payment, days_past_due, opened_on from book
                union all
                select
                    borrowers.borrower, balance, missing.credit_limit, scheduled_payment, days_past_due, owners.opened_on
                from missing
                inner join (
                    select account_id, min(customer_id) as customer_id, min(opened_on) as opened_on
                    from accounts where account_id in (select account_id from missing) group by account_id
                ) as owners using (account_id)
                inner join borrowers using (customer_id)
                where coalesce(account_status, 'current') not in ('charged_off', 'closed')
            )
            where opened_on is null or opened_on < {as_of}
            group by borrower
            """
        )
        # The last version loaded by the night after the date, else the earliest.
        self._run(
            f"""
            create temp table incomes as
            select borrower, annual_income, employment_status
            from customers inner join borrowers using (customer_id)
            qualify row_number() over (
                partition by borrower
                order by
                    cast(_loaded_at as date) > {as_of} + 1,
                    case when cast(_loaded_at as date) <= {as_of} + 1 then _loaded_at end desc,
                    case when cast(_loaded_at as date) <= {as_of} + 1 then _load_id end desc,
                    _loaded_at,
                    _load_id
            ) = 1
            """
        )
        self._run(
            f"""
            create temp table pulls as
            select
                borrower, pull_id, pulled_on, {as_of} - pulled_on as age, 1000 * (pulled_on - date '1970-01-01') as number,
                bureau_score, inquiries_6m, open_tradelines, total_utilization, worst_delinquency_24m, derogatory_count
            from bureau_pulls inner join borrowers using (customer_id)
            where {ROW} not in (from superseded_bureau_pulls) and pulled_on <= {as_of} and pulled_on >= date_trunc('month', {as_of}) - interval 23 months
            """
        )
        self._repeated("select cast(borrower as bigint) * 1000 + age from pulls", "repeated_keys")
        self._run(
            """
            update pulls set number = pulls.number + numbered.pull
            from (
                select rowid as pull_row, row_number() over (partition by borrower, age order by pull_id) as pull
                from pulls where cast(borrower as bigint) * 1000 + age in (from repeated_keys)
            ) as numbered
            where pulls.rowid = numbered.pull_row
            """
        )
        self._run(
            f"""
            create temp table bureau as
            select borrower, {", ".join(f"{_pull(pull)} as {pull.feature}" for pull in BUREAU)}
            from pulls group by borrower
            """
        )
        tenure = f"cast(datediff('month', opened_on, {as_of}) as integer)"
        self._run(
            f"""
            create temp table account_features as
            select
                book.account_id,
                book.idx,
                {tenure} as months_on_book,
                cast(product = 'credit_line' as integer) as is_credit_line,
                cast(apr as double) as apr,
                cast(term_months as integer) as term_months,
                term_months - {tenure} as remaining_term_months,
                {_ratio(tenure, "term_months")} as share_of_term_elapsed,
                cast(original_limit as double) as original_limit,
                cast(book.scheduled_payment as double) as scheduled_payment,
                {_ratio("book.scheduled_payment", "book.balance")} as scheduled_to_balance,
                bureau.* exclude (borrower),
                cast(case when book.borrower is not null then coalesce(open_accounts, 0) end as integer)
                    as customer_open_accounts,
                cast(exposures.balance as double) as customer_balance,
                cast(exposures.credit_limit as double) as customer_credit_limit,
                {_ratio("exposures.balance", "exposures.credit_limit")} as customer_utilization,
                worst_days_past_due as customer_worst_dpd,
                case
                    when book.borrower is null then null
                    when open_accounts is null then 0
                    else cast(late_accounts as integer)
                end as customer_late_accounts,
                {_ratio("largest_balance", "exposures.balance")} as customer_concentration,
                {_ratio("12 * exposures.scheduled_payment", "annual_income")} as customer_payment_to_income,
                {_ratio("exposures.balance", "annual_income")} as customer_debt_to_income,
                cast(annual_income as double) as customer_income,
                cast(employment_status = 'self_employed' as integer) as is_self_employed,
                cast(employment_status in ('unemployed', 'student') as integer) as is_without_employment,
                cast(datediff('month', first_opened_on, {as_of}) as integer) as customer_months_as_borrower,
                cast(datediff('month', last_opened_on, {as_of}) as integer) as customer_months_from_last_opening,
                {_ratio("book.balance", "exposures.balance")} as share_of_customer_balance,
                worst_days_past_due - book.days_past_due as customer_worst_dpd_elsewhere
            from book
            left join exposures using (borrower)
            left join incomes using (borrower)
            left join bureau using (borrower)
            where account_id not in (from defaulted)
            """
        )

    def stage_months(self, first: int, last: int) -> None:
        """Tables accounts, the scored ones numbered first to last - 1, and months: their snapshots, one a month."""
        as_of = self._as_of
        self._run(
            f"""
            create or replace temp table accounts_in_turn as
            select account_id, idx from account_features where idx >= {first} and idx < {last}
            """
        )
        columns = """
            balance, credit_limit, scheduled_payment, amount_paid, days_past_due,
            cast(account_status = 'inactive' as tinyint) as is_inactive,
            cast(account_status = 'paid_in_full' as tinyint) as is_paid_in_full
        """
        low, high = self._run("select min(account_id), max(account_id) from accounts_in_turn").fetchone()
        self._range = f"account_id between {_text(low)} and {_text(high)}"
        self._run(
            f"""
            create or replace temp table months as
            select
                idx, cast(datediff('month', snapshot_date, {as_of}) as tinyint) as m, {columns},
                snapshot_date, _loaded_at, _load_id
            from loan_servicing inner join accounts_in_turn using (account_id)
            where {self._range} and snapshot_date < date_trunc('month', {as_of})
                and snapshot_date >= date_trunc('month', {as_of}) - interval {MONTHS - 1} months
            """
        )
        self._repeated("select idx * 32 + m from months", "repeated_keys")
        self._run(
            """
            delete from months where rowid in (
                select rowid from months where idx * 32 + m in (from repeated_keys)
                qualify row_number() over (
                    partition by idx, m order by snapshot_date desc, _loaded_at desc, _load_id desc
                ) > 1
            )
            """
        )
        self._run(
            f"""
            update months set credit_limit = terms.original_limit from terms
            where months.credit_limit is null and months.idx = terms.idx
                and last_day(months.snapshot_date) >= terms.known_from
                and last_day(months.snapshot_date) < terms.known_before
            """
        )
        self._run(
            f"""
            insert into months
            select idx, 0 as m, {columns.replace("credit_limit", "limit_in_force")}, null, null, null
            from book inner join accounts_in_turn using (idx)
            """
        )

    def stage_ledger(self) -> None:
        """Tables seen, in which months the accounts have a snapshot, and paid: their payments of these months."""
        as_of = self._as_of
        self._run(
            """
            create or replace temp table seen as
            select account_id, idx, bit_or(cast(1 as bigint) << m) as seen
            from months inner join accounts_in_turn using (idx)
            group by account_id, idx
            """
        )
        # The due day of a month is that of the terms known at its end: one row, but for accounts that were redated.
        self._run(
            """
            create or replace temp table payers as
            select account_id, idx, seen, least(day(opened_on), 28) as due_day, known_from, known_before
            from seen inner join terms using (idx)
            where idx in (select idx from terms group by idx having count(distinct coalesce(opened_on, date '0001-01-01')) > 1)
            union all
            select
                account_id, idx, seen, least(day(any_value(opened_on)), 28) as due_day,
                date '0001-01-01' as known_from, date '9999-12-31' as known_before
            from seen inner join terms using (idx)
            where idx not in (select idx from terms group by idx having count(distinct coalesce(opened_on, date '0001-01-01')) > 1)
            group by account_id, idx, seen
            """
        )
        self._run(
            f"""
            create or replace temp table paid as
            select
                idx,
                cast(datediff('month', paid_on, {as_of}) as tinyint) as m,
                cast(coalesce(is_returned, false) as tinyint) as returned,
                cast(not coalesce(is_returned, false) as tinyint) as is_good,
                case when is_returned then amount end as returned_amount,
                cast(case when is_good = 1 then greatest(day(paid_on) - due_day, 0) end as tinyint) as days_late
            from payments inner join payers using (account_id)
            where {ROW} not in (from superseded_payments) and {self._range} and paid_on <= {as_of}
                and paid_on >= date_trunc('month', {as_of}) - interval {MONTHS - 1} months
                and (seen >> datediff('month', paid_on, {as_of})) & 1 = 1
                and least(last_day(paid_on), {as_of}) >= known_from and least(last_day(paid_on), {as_of}) < known_before
            """
        )
        self._repeated("select idx * 32 + m from paid where is_good = 1", "repeated_keys")
        self._run(
            """
            create or replace temp table beaten as
            select rowid as paid_row, * exclude (is_good, days_late)
            from paid where is_good = 1 and idx * 32 + m in (from repeated_keys)
            qualify row_number() over (partition by idx, m order by days_late desc nulls last) > 1
            """
        )
        self._run("delete from paid where rowid in (select paid_row from beaten)")
        self._run("insert into paid by name select * exclude (paid_row), 0 as is_good from beaten")

    def write_features(self, windows: Sequence[Window]) -> None:
        """Table features: the accounts of the turn, every feature."""
        into = "create table features as" if self._turns == 0 else "insert into features"
        self._turns += 1
        self._run(
            f"""
            {into}
            select account_id, {self._as_of} as as_of_date, windows.* exclude (idx), others.* exclude (account_id, idx)
            from ({windows_query(windows, self.ledger_months)}) as windows
            inner join account_features as others using (idx)
            """
        )

    def _run(self, statement: str) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(statement)

    def _repeated(self, keys: str, table: str) -> None:
        """Table of the keys that a query gives more than once; sorting numbers is cheaper than grouping by them."""
        (found,) = self._run(keys).fetchnumpy().values()
        found = np.sort(found)
        repeated = pa.table({"key": np.unique(found[1:][found[1:] == found[:-1]])})
        self._connection.register("repeated", repeated)
        self._run(f"create or replace temp table {table} as from repeated")
        self._connection.unregister("repeated")


def _latest(*grain: str) -> str:
    """For qualify: the version loaded last."""
    return f"row_number() over (partition by {', '.join(grain)} order by _loaded_at desc, _load_id desc) = 1"


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _pull(pull: Pull) -> str:
    """A bureau feature as an aggregate over a customer's pulls."""
    data_type = "integer" if pull.is_whole else "double"
    if pull.stat == "count":
        return "cast(count(*) as integer)"
    if pull.stat == "age":
        return "cast(min(age) as integer)"
    if pull.stat in ("latest", "change"):
        value = f"arg_max_null({pull.column}, number)"
        if pull.stat == "change":
            value += f" - {value} filter (where age >= {pull.days})"
        return f"cast({value} as {data_type})"
    values = f"case when age <= {pull.days} then {pull.column} end" if pull.days else pull.column
    if pull.stat == "avg":
        return f"round(cast(sum({values}) as double) / nullif(count({values}), 0), 6)"
    return f"cast({pull.stat}({values}) as {data_type})"


def _scores(connection: duckdb.DuckDBPyConnection, night: Night) -> pa.Table:
    """account_id and pd of every row of the feature table, scored in parallel."""
    inputs = night.inputs()
    columns = ", ".join(f'cast("{name}" as float) as "{name}"' for name in inputs)
    booster = night.booster()
    booster.set_param({"nthread": 1})

    def score(rows: tuple[int, int]) -> list[pa.RecordBatch]:
        found = []
        query = f"select account_id, {columns} from features where rowid >= {rows[0]} and rowid < {rows[1]}"
        for batch in connection.cursor().sql(query).to_arrow_reader(BATCH_ROWS):
            pd = command.predict(booster, [column.to_numpy(zero_copy_only=False) for column in batch.columns[1:]])
            found.append(pa.record_batch({"account_id": batch.column(0), "pd": pd}))
        return found

    (count,) = connection.execute("select count(*) from features").fetchone()
    borders = [count * number // night.threads for number in range(night.threads + 1)]
    with ThreadPoolExecutor(night.threads) as pool:
        found = list(pool.map(score, zip(borders, borders[1:], strict=False)))
    return pa.Table.from_batches([batch for part in found for batch in part])


def run(night: Night, clock: Clock, windows: Sequence[Window] = WINDOWS) -> int:
    """Compute the features, score them; returns how many accounts.

    windows: the features over months, where they are to be others than the specification's.
    """
    database = night.out.with_suffix(".duckdb")
    database.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"set threads = {night.threads}")
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"set temp_directory = '{night.out.with_suffix('.spill')}'")
        book = Book(connection, night)
        for step in (book.read, book.open, book.find_defaults, book.add_customers):
            with clock.stage(step.__name__):
                step()
        (size,) = connection.execute("select count(*) from book").fetchone()
        for first in range(0, size, ACCOUNTS_AT_A_TIME):
            with clock.stage("stage_months"):
                book.stage_months(first, min(first + ACCOUNTS_AT_A_TIME, size))
            with clock.stage("stage_ledger"):
                book.stage_ledger()
            with clock.stage("write_features"):
                book.write_features(windows)
        with clock.stage("score"):
            scores = _scores(connection, night)
            pq.write_table(scores, night.out)
    return scores.num_rows


if __name__ == "__main__":
    command.main(run)
