"""The floor: the least work that gives the night's account features and scores, in hand-written SQL on one engine.

It has no dbt, tests, monitoring or marts. It produces the same columns of the same types, from the same Parquet, with
the same exact decimals. Common cases are computed cheaply. Rare ones (a corrected row, a second payment in a month) are
handled separately. So nothing is sorted or grouped because of a few rows.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import command
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from command import Clock, Night
from features import BUREAU, WINDOWS, Pull, Window
from floor_windows import MONTHS, ratio, windows_query

# The months of this many accounts, staged and as hash tables, take about four gigabytes.
ACCOUNTS_AT_A_TIME = 600_000
BATCH_ROWS = 32_768
TABLES = (
    "accounts", "bureau_pulls", "customers", "default_events", "loan_servicing", "payments", "policy_overrides",
)  # fmt: skip
# The position of a row in the landing, as a number.
ROW = "cast(file_index as bigint) * 1099511627776 + file_row_number"


class Book:
    """The landing as known on the night, and the temporary tables for its accounts.

    Accounts and customers get numbers, accounts in the order of their ids. Numbers are cheaper to join, and a range of
    ids can be read from the Parquet without the rest.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, night: Night) -> None:
        self._connection = connection
        self._night = night
        self._as_of = f"date '{night.as_of}'"
        self._turns = 0

    def read(self) -> None:
        """Create views of the landing tables, read the policy, find superseded rows of payments and bureau pulls."""
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
        then = self._night.as_of
        # How many months back the ledger goes.
        self.ledger_months = max(0, (then.year - first.year) * 12 + then.month - first.month + 1) if first else 0

    def open(self) -> None:
        """Create tables terms (one row per version) and book: who is on the book, on which terms."""
        as_of = self._as_of
        self._run(
            f"""
            create temp table snapshot as
            select account_id, balance, credit_limit, scheduled_payment, amount_paid, days_past_due, account_status
            from loan_servicing where snapshot_date = {as_of} qualify {_latest("account_id")}
            """
        )
        self._run(
            """
            create temp table open_accounts as
            select *, cast(row_number() over (order by account_id) - 1 as integer) as idx
            from snapshot
            where coalesce(account_status, 'current') not in ('charged_off', 'closed')
                and account_id in (select account_id from accounts)
            """
        )
        # A version counts from the day before it was loaded, the first version from the beginning.
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
                open_accounts.*,
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
        """Create table defaulted: the accounts of the book that are in default on the as-of date."""
        self._run(
            f"""
            create temp table defaults_shown as
            select account_id, snapshot_date, max((_loaded_at, _load_id)) as version
            from loan_servicing
            where ({self._is_default}) and snapshot_date <= {self._as_of}
                and account_id in (select account_id from book)
            group by account_id, snapshot_date
            """
        )
        # Only the last version of a snapshot counts.
        self._run(
            f"""
            create temp table defaulted as
            select account_id from defaults_shown
            where (account_id, snapshot_date) not in (
                select (shown.account_id, shown.snapshot_date)
                from loan_servicing as later
                inner join defaults_shown as shown using (account_id, snapshot_date)
                where not coalesce({self._is_default}, false)
                    and (later._loaded_at, later._load_id) > shown.version
            )
            union
            select account_id
            from (from default_events qualify {_latest("account_id")})
            where defaulted_on <= {self._as_of}
            """
        )

    def add_customers(self) -> None:
        """Create tables exposures, incomes and bureau: what is known of the customers of the book."""
        as_of = self._as_of
        # Accounts of the book's customers that are missing from the snapshot, by their last state of 40 days.
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
                    borrowers.borrower, balance, missing.credit_limit, scheduled_payment, days_past_due,
                    owners.opened_on
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
                borrower, pull_id, {as_of} - pulled_on as age, 1000 * (pulled_on - date '1970-01-01') as number,
                bureau_score, inquiries_6m, open_tradelines, total_utilization, worst_delinquency_24m, derogatory_count
            from bureau_pulls inner join borrowers using (customer_id)
            where {ROW} not in (from superseded_bureau_pulls)
                and pulled_on <= {as_of} and pulled_on >= date_trunc('month', {as_of}) - interval 23 months
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
        self._drop("snapshot", "missing", "pulls")

    def add_others(self, first: int, last: int) -> None:
        """Create table others: features without windows, of the accounts to score with numbers first to last - 1."""
        as_of = self._as_of
        tenure = f"cast(datediff('month', opened_on, {as_of}) as integer)"
        self._run(
            f"""
            create or replace temp table others as
            select
                book.account_id,
                book.idx,
                {tenure} as months_on_book,
                cast(product = 'credit_line' as integer) as is_credit_line,
                cast(apr as double) as apr,
                cast(term_months as integer) as term_months,
                term_months - {tenure} as remaining_term_months,
                {ratio(tenure, "term_months")} as share_of_term_elapsed,
                cast(original_limit as double) as original_limit,
                cast(book.scheduled_payment as double) as scheduled_payment,
                {ratio("book.scheduled_payment", "book.balance")} as scheduled_to_balance,
                bureau.* exclude (borrower),
                cast(case when book.borrower is not null then coalesce(open_accounts, 0) end as integer)
                    as customer_open_accounts,
                cast(exposures.balance as double) as customer_balance,
                cast(exposures.credit_limit as double) as customer_credit_limit,
                {ratio("exposures.balance", "exposures.credit_limit")} as customer_utilization,
                worst_days_past_due as customer_worst_dpd,
                case
                    when book.borrower is null then null
                    when open_accounts is null then 0
                    else cast(late_accounts as integer)
                end as customer_late_accounts,
                {ratio("largest_balance", "exposures.balance")} as customer_concentration,
                {ratio("12 * exposures.scheduled_payment", "annual_income")} as customer_payment_to_income,
                {ratio("exposures.balance", "annual_income")} as customer_debt_to_income,
                cast(annual_income as double) as customer_income,
                cast(employment_status = 'self_employed' as integer) as is_self_employed,
                cast(employment_status in ('unemployed', 'student') as integer) as is_without_employment,
                cast(datediff('month', first_opened_on, {as_of}) as integer) as customer_months_as_borrower,
                cast(datediff('month', last_opened_on, {as_of}) as integer) as customer_months_from_last_opening,
                {ratio("book.balance", "exposures.balance")} as share_of_customer_balance,
                worst_days_past_due - book.days_past_due as customer_worst_dpd_elsewhere
            from book
            left join exposures using (borrower)
            left join incomes using (borrower)
            left join bureau using (borrower)
            where idx >= {first} and idx < {last} and account_id not in (from defaulted)
            """
        )

    def stage_months(self) -> None:
        """Create table months: the snapshots of the accounts in others, one per month."""
        as_of = self._as_of
        columns = """
            balance, credit_limit, scheduled_payment, amount_paid, days_past_due,
            cast(account_status = 'inactive' as tinyint) as is_inactive,
            cast(account_status = 'paid_in_full' as tinyint) as is_paid_in_full
        """
        low, high = self._run("select min(account_id), max(account_id) from others").fetchone()
        self._range = f"account_id between {_text(low)} and {_text(high)}"
        self._run(
            f"""
            create or replace temp table months as
            select
                idx, cast(datediff('month', snapshot_date, {as_of}) as tinyint) as m, {columns},
                snapshot_date, _loaded_at, _load_id
            from loan_servicing inner join (select account_id, idx from others) using (account_id)
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
            """
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
            from book where idx in (select idx from others)
            """
        )

    def stage_ledger(self) -> None:
        """Create table seen (months in which an account has a snapshot) and table paid (its payments in them)."""
        as_of = self._as_of
        self._run(
            """
            create or replace temp table seen as
            select account_id, idx, bit_or(cast(1 as bigint) << m) as seen
            from months inner join (select account_id, idx from others) using (idx)
            group by account_id, idx
            """
        )
        # The due day of a month is that of the terms known at its end.
        self._run(
            """
            create or replace temp table payers as
            select account_id, idx, seen, least(day(opened_on), 28) as due_day, known_from, known_before
            from seen inner join terms using (idx)
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
        """Add every feature of this batch of accounts to table features."""
        into = "create table features as" if self._turns == 0 else "insert into features"
        self._turns += 1
        self._run(
            f"""
            {into}
            select account_id, {self._as_of} as as_of_date, windows.* exclude (idx), others.* exclude (account_id, idx)
            from ({windows_query(windows, self.ledger_months)}) as windows
            inner join others using (idx)
            """
        )

    def _run(self, statement: str) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(statement)

    def _drop(self, *tables: str) -> None:
        for table in tables:
            self._run(f"drop table {table}")

    def _repeated(self, keys: str, table: str) -> None:
        """Create a table of the keys that a query returns more than once. Sorting numbers is cheaper than grouping."""
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
    """Compute the features and score them. Returns the number of accounts.

    windows: the features over months, if not those of the specification.
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
            with clock.stage("add_others"):
                book.add_others(first, first + ACCOUNTS_AT_A_TIME)
            with clock.stage("stage_months"):
                book.stage_months()
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
