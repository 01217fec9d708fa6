"""Land the UCI data on credit card defaults in Taiwan, 2005.

Source: Yeh, I-Cheng (2009), UCI Machine Learning Repository, doi 10.24432/C55S3H.

Month 1 of the file is September 2005 and month 6 is April. The status columns are PAY_0 (month 1) and PAY_2 to PAY_6.
PAY_AMTk is what was paid in month k and settles BILL_AMT(k+1). The file does not say what was due, when an account was
opened, or on which day of the month a payment came. These are null, or the fifteenth. The landing contract has no place
for sex, education and marriage, so they are dropped.
"""

from pathlib import Path

import duckdb

from nightbook.errors import NightbookError
from nightbook.landing import intake, loads, store
from nightbook.landing.casts import misread, parsed
from nightbook.landing.contract import COUNT, MONEY, TABLES
from nightbook.landing.files import Source, engine, first_row, open_source, quoted

LOAD_ID = "uci-taiwan-2005"
TARGETS = ("default.payment.next.month", "default payment next month")
STATUS_COLUMNS = ("pay_0", "pay_2", "pay_3", "pay_4", "pay_5", "pay_6")
MONTHS = range(1, 7)

# Days past due do not define the outcome here; the file's own flag for October does.
POLICY = {
    "outcome_months": "1",
    "default_days_past_due": "",
    "observed_from": "2005-10-01",
    "observed_through": "2005-10-31",
}


@store.one_line()
def land_uci_taiwan(file: Path) -> store.Load:
    """Land UCI_Credit_Card.csv, with either spelling of its target column.

    Every client becomes customer C<ID> with the card A<ID>. account_status keeps the status codes apart: -2 is
    inactive, -1 paid_in_full, 0 current, and above zero delinquent by that many months of 30 days. birth_date is
    2005-09-30 minus AGE years, correct to within a year. It is null for the two clients whose AGE is nan. Amounts such
    as 1.00E+05 are read as numbers.

    Args:
        file: the CSV file as downloaded.

    Raises:
        NightbookError: the file is not what it should be, or the home holds another lender's load.
    """
    file = Path(file)
    if not file.exists():
        raise NightbookError(f"{file} does not exist: download the UCI data (doi 10.24432/C55S3H) and give its path")
    intake.check_name(file.name)
    # The user may name a link; its target is landed.
    with engine() as (connection, copies):
        taken = intake.copy(file.resolve(), file.name, copies / f"uci{file.suffix.lower()}")
        source = open_source(connection, (taken,))
        _read(connection, source)
        if loads.stands(LOAD_ID):
            return loads.describe(LOAD_ID, (loads.STANDS,))
        with loads.incoming(LOAD_ID, alone=True) as folder:
            for table, query in _QUERIES.items():
                columns = ", ".join(f"{parsed(c, t)} as {c}" for c, t in TABLES[table].columns.items())
                stated = f"select *, '{LOAD_ID}' as _load_id from ({query})"
                store.write(folder, table, connection.sql(f"select {columns} from ({stated})").to_arrow_table())
    return loads.describe(LOAD_ID)


def _read(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Check the file and store it as table `client`, one row per client."""
    if source.files[0].path.suffix != ".csv":
        raise NightbookError(f"{source.name} is not a .csv file: save the UCI data as CSV")
    target = next((name for name in TARGETS if name in source.columns), TARGETS[0])
    amounts = [f"{kind}_amt{k}" for kind in ("bill", "pay") for k in MONTHS]
    types = dict.fromkeys(["id", "age", *STATUS_COLUMNS, target], COUNT) | dict.fromkeys(["limit_bal", *amounts], MONEY)
    for column in types:
        if column not in source.columns:
            raise NightbookError(f"{source.name}: column {column.upper() if column != target else column} is missing")
    spelled = {column: quoted(source.columns[column]) for column in types}
    spelled["age"] = f"nullif({spelled['age']}, 'nan')"
    for column, type_ in types.items():
        name = spelled[column]
        wrong = misread(name, type_) if column == "age" else f"{name} is null or {misread(name, type_)}"
        if column == target:
            wrong += f" or {parsed(name, type_)} not in (0, 1)"
        elif column in STATUS_COLUMNS:
            wrong += f" or {parsed(name, type_)} not between -2 and 9"
        elif column.startswith("pay_amt"):
            wrong += f" or {parsed(name, type_)} < 0"
        if (row := first_row(connection, source, wrong)) is not None:
            [(value,)] = connection.execute(f"select {name} from {source.sql} limit 1 offset {row - 1}").fetchall()
            raise NightbookError(
                f"{source.name} row {row}: {source.columns[column]} is {value!r}, which is not a possible value"
            )
    columns = ", ".join(f"{parsed(spelled[c], t)} as {'flag' if c == target else c}" for c, t in types.items())
    connection.execute(f"create temp table client as select {columns} from {source.sql}")
    # Fetch every result completely. A half-read result would block the connection for sql().
    ((count, distinct),) = connection.execute("select count(*), count(distinct id) from client").fetchall()
    if not count:
        raise NightbookError(f"{source.name} has no rows")
    if distinct < count:
        again = connection.execute("select id from client group by id having count(*) > 1 order by id").fetchall()
        raise NightbookError(f"{source.name}: ID {again[0][0]} appears twice")


def _night_after(day: str) -> str:
    return f"({day})::timestamp + interval '1 day 2 hours' as _loaded_at"


_FIRST_KNOWN = _night_after("date '2005-04-30'")

# Month k of the file, one select each: status code, bill, payment, last day of the month.
_MONTHLY = " union all ".join(
    f"select id, limit_bal, {status} as code, bill_amt{k} as bill, pay_amt{k} as paid, "
    f"last_day(date '2005-{10 - k:02d}-01') as month_end from client"
    for k, status in zip(MONTHS, STATUS_COLUMNS, strict=True)
)

_QUERIES = {
    "customers": f"""
        select 'C' || id as customer_id, (date '2005-09-30' - to_years(age))::date as birth_date, null as state,
               null as employment_status, null as annual_income, null as full_name, null as email,
               {_FIRST_KNOWN}
        from client order by id""",
    "accounts": f"""
        select 'A' || id as account_id, 'C' || id as customer_id, 'credit_line' as product, null as opened_on,
               limit_bal as credit_limit, null as apr, null as term_months, null as closed_on,
               {_FIRST_KNOWN}
        from client order by id""",
    "loan_servicing": f"""
        select 'A' || id as account_id, month_end as snapshot_date, bill as balance, limit_bal as credit_limit,
               null as scheduled_payment, paid as amount_paid, 30 * greatest(code, 0) as days_past_due,
               case code when -2 then 'inactive' when -1 then 'paid_in_full' when 0 then 'current' else 'delinquent' end
                   as account_status,
               {_night_after("month_end")}
        from ({_MONTHLY}) order by month_end, id""",
    "payments": f"""
        select 'T' || id || '-' || strftime(month_end, '%m') as payment_id, 'A' || id as account_id,
               date_trunc('month', month_end) + interval 14 day as paid_on, paid as amount, null as method,
               false as is_returned, {_night_after("date_trunc('month', month_end) + interval 14 day")}
        from ({_MONTHLY}) where paid > 0 order by month_end, id""",
    "default_events": f"""
        select 'A' || id as account_id, date '2005-10-31' as defaulted_on, 'reported' as reason,
               {_night_after("date '2005-10-31'")}
        from client where flag = 1 order by id""",
    "policy_overrides": " union all ".join(
        f"select '{name}' as name, '{value}' as value, {_FIRST_KNOWN}" for name, value in POLICY.items()
    ),
}
