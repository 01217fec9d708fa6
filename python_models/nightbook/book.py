"""The book that a night is derived from and compared with, laid out beside a warehouse made for that.

DuckDB's own file is attached as `book`. Of a Snowflake account, what the night rests on and what it wrote are fetched
into files of DuckDB's: the night is then derived by another engine than the one that scored it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from nightbook import account, builds, home
from nightbook.errors import NightbookError
from nightbook.landing.contract import TABLES
from nightbook.nights import Chosen, Night

# What the derivation is compared with: kind, relation, its column of the chosen keys, its key.
COMPARED = (
    ("account", "marts.fct_account_scores", "account_id", "account_id"),
    ("application", "marts.fct_application_scores", "application_id", "application_id"),
    ("account", "scoring.account_inputs", "account_id", "account_id"),
    ("application", "marts.fct_application_contributions", "application_id", "application_id || ' ' || feature"),
)
# A name for a query, and the query, to what stands for its rows in a later one.
_Keep = Callable[[str, str], str]


def land(scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    """Schema raw of the scratch warehouse: all that has landed, or what the chosen keys rest on."""
    if home.is_account():
        with account.connected() as source:
            _fetch_raw(source, scratch, night, chosen)
            _fetch_stored(source, scratch, night, chosen)
    else:
        _land_from_file(scratch, night, chosen)


@contextmanager
def beside(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The scratch warehouse, with the stored scores and inputs of the night attached as `book`."""
    file = _fetched(scratch) if home.is_account() else home.warehouse()
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        try:
            connection.execute(f"attach '{_quoted(file)}' as book (read_only)")
        except duckdb.Error as error:
            raise NightbookError(builds.one_line(str(error))) from error
        yield connection


def _land_from_file(scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    with beside(scratch) as connection:
        connection.execute("create schema raw")
        there = {
            name: view
            for name, view in connection.execute(
                "select table_name, null from duckdb_tables() where database_name = 'book' and schema_name = 'raw'"
                " union all"
                " select view_name, sql from duckdb_views() where database_name = 'book' and schema_name = 'raw'"
            ).fetchall()
            if name in TABLES
        }
        conditions = {} if chosen is None else _conditions_on_file(connection, night, chosen)
        for name, view in there.items():
            if chosen is None and view:
                connection.execute(view)
            else:
                where = f" where {conditions[name]}" if name in conditions else ""
                connection.execute(f"create table raw.{name} as select * from book.raw.{name}{where}")


def _conditions_on_file(
    connection: duckdb.DuckDBPyConnection, night: Night, chosen: dict[str, Chosen]
) -> dict[str, str]:
    """Conditions over tables: of a table the engine knows how small it is, of a subquery it guesses."""

    def keep(name: str, sql: str) -> str:
        connection.execute(f"create temp table {name} as {sql}")
        return name

    for kind, keys in chosen.items():
        connection.execute(f"create temp table chosen_{kind} (key varchar)")
        if keys.keys:
            connection.executemany(f"insert into chosen_{kind} values (?)", [[key] for key in keys.keys])
    return _conditions(night, "book.raw", {kind: f"chosen_{kind}" for kind in chosen}, keep)


def _fetch_raw(source: account.Account, scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    there = {
        row["name"]
        for row in source.rows(
            "select lower(table_name) as name from information_schema.tables where lower(table_schema) = 'raw'"
        )
    }
    conditions = {}
    if chosen is not None:
        picked = {kind: f"({keys.sql}) as chosen_{kind}" for kind, keys in chosen.items()}
        conditions = _conditions(night, "raw", picked, lambda name, sql: f"({sql}) as {name}")
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        for name, table in TABLES.items():
            if name in there:
                of_chosen = f" and ({conditions[name]})" if name in conditions else ""
                sql = f"select {', '.join(table.columns)} from raw.{name} where {_known(night)}{of_chosen}"
                _fill(connection, f"raw.{name}", table.schema, source.batches(sql, table.schema))


def _fetch_stored(source: account.Account, scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    with duckdb.connect(str(_fetched(scratch))) as connection:
        for kind, relation, entity, _ in COMPARED:
            of_chosen = f" and {entity} in (select key from ({chosen[kind].sql}) as chosen)" if chosen else ""
            sql = (
                f"select * from {relation} where as_of_date = date '{night.as_of_date}'"
                f" and run_id = '{night.run['run_id']}'{of_chosen}"
            )
            # In the types that they are stored in: a value that was changed must not be rounded into the right one.
            schema = source.schema(sql)
            _fill(connection, relation, schema, source.batches(sql, schema))


def _fill(connection: duckdb.DuckDBPyConnection, relation: str, schema: pa.Schema, batches: Iterator[pa.Table]) -> None:
    connection.execute(f"create schema if not exists {relation.partition('.')[0]}")
    connection.register("batch", schema.empty_table())
    connection.execute(f"create table {relation} as select * from batch")
    for batch in batches:
        connection.register("batch", batch)
        connection.execute(f"insert into {relation} select * from batch")


def _conditions(night: Night, raw: str, picked: dict[str, str], keep: _Keep) -> dict[str, str]:
    """Landing table -> which rows the chosen keys rest on: everything of their customers, in every version.

    Two facts are of the whole book: which dates have a snapshot, and in which month the ledger begins. An account for
    each of them comes along.

    Args:
        raw: schema of the landing tables.
        picked: the keys of each kind, a relation with the column `key`.
    """
    known = _known(night)
    customers = keep(
        "customers",
        f"""
        select customer_id from {raw}.accounts where account_id in (select key from {picked["account"]})
        union
        select customer_id from {raw}.applications where application_id in (select key from {picked["application"]})
        """,
    )
    accounts = keep(
        "accounts",
        f"""
        select key as account_id from {picked["account"]}
        union
        select account_id from {raw}.accounts where customer_id in (select customer_id from {customers})
        union
        select min(account_id) as account_id from {raw}.loan_servicing where {known} group by snapshot_date
        union
        (
            select account_id from {raw}.payments
            where {known} and account_id is not null order by paid_on, account_id limit 1
        )
        """,
    )
    of_customer = f"customer_id in (select customer_id from {customers})"
    of_account = f"account_id in (select account_id from {accounts})"
    # Whose a payment, a pull or an application is may be corrected: all versions of a key come along.
    return {
        "customers": of_customer,
        "accounts": of_account,
        "loan_servicing": of_account,
        "payments": f"payment_id in (select payment_id from {raw}.payments where {of_account})",
        "bureau_pulls": f"pull_id in (select pull_id from {raw}.bureau_pulls where {of_customer})",
        "applications": f"application_id in (select application_id from {raw}.applications where {of_customer})"
        f" or application_id in (select key from {picked['application']})",
        "default_events": of_account,
    }


def _known(night: Night) -> str:
    return f"_loaded_at <= timestamp '{night.run['known_at'].isoformat(' ', 'microseconds')}'"


def _fetched(scratch: Path) -> Path:
    return scratch / "book.duckdb"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
