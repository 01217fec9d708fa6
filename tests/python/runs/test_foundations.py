"""The landed rows that explain a score, checked by reproductions without all others, and with one of them changed."""

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest
from nightbook.engine import warehouse
from nightbook.landing.contract import TABLES
from nightbook.trail import landed_rows, reproduce, rerun, scored_nights, scratch_home

from .conftest import ROOT, Home, ok, once

NIGHT = date(2026, 6, 30)
OF = {"account": "account_id", "application": "application_id"}
MANY = {"account": 36, "application": 12}

# Rows of the chosen accounts' customers that a simpler query (last versions only, own rows only) gets wrong.
PLANTED = """
    create temp table chosen as
    select account_id, customer_id, row_number() over (order by md5(account_id)) as number
    from marts.fct_account_scores semi join (
        select account_id from raw.accounts group by account_id having count(*) = 1
    ) as plain using (account_id)
    inner join (select account_id, customer_id from raw.accounts) as owners using (account_id);

    create temp table now_loaded as
    select cast(now() at time zone 'utc' as timestamp) as moment, 'correction' as load_id;

    -- A file and a payment that were another's all along; an income and terms that changed after the night.
    insert into raw.bureau_pulls
    select pulls.* replace (
        (select max(customer_id) from raw.customers) as customer_id, moment as _loaded_at, load_id as _load_id
    )
    from raw.bureau_pulls as pulls, now_loaded
    where customer_id in (select customer_id from chosen where number % 3 = 0) and pulled_on > date '2025-09-01'
    qualify row_number() over (partition by customer_id order by pulled_on desc) = 1;

    insert into raw.payments
    select payments.* replace (
        (select max(account_id) from raw.accounts) as account_id, moment as _loaded_at, load_id as _load_id
    )
    from raw.payments as payments, now_loaded
    where account_id in (select account_id from chosen where number % 3 = 1) and paid_on > date '2026-01-01'
    qualify row_number() over (partition by account_id order by paid_on desc, payment_id) = 1;

    insert into raw.customers
    select customers.* replace (annual_income * 1.2 as annual_income, moment as _loaded_at, load_id as _load_id)
    from raw.customers as customers, now_loaded
    where customer_id in (select customer_id from chosen where number % 2 = 0 and number < 400)
    qualify row_number() over (partition by customer_id order by _loaded_at desc, _load_id desc) = 1;

    insert into raw.accounts
    select accounts.* replace (apr + 0.01 as apr, moment as _loaded_at, load_id as _load_id)
    from raw.accounts as accounts, now_loaded
    where account_id in (select account_id from chosen where number % 5 = 0)
    qualify row_number() over (partition by account_id order by _loaded_at desc, _load_id desc) = 1;

    insert into raw.loan_servicing
    select servicing.* replace (balance + 9 as balance, moment as _loaded_at, load_id as _load_id)
    from raw.loan_servicing as servicing, now_loaded
    where account_id in (select account_id from chosen where number % 4 = 2) and snapshot_date = date '2026-02-28'
    qualify row_number() over (partition by account_id order by _loaded_at desc, _load_id desc) = 1;

    -- An account that the night's snapshot lacks, of a customer who has another: its last state is a month old.
    delete from raw.loan_servicing
    where snapshot_date = date '2026-06-30' and account_id in (
        select max(account_id) from raw.accounts
        where customer_id in (
            select customer_id from raw.accounts group by customer_id having count(distinct account_id) > 1
        )
        group by customer_id order by md5(customer_id) limit 8
    );
"""


@pytest.fixture(scope="module")
def planted(small, tmp_path_factory) -> Home:
    """The small lender with corrections, scored again."""

    def make(folder: Path) -> None:
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            connection.execute(f"attach '{small.path / 'warehouse.duckdb'}' as small (read_only)")
            connection.execute("copy from database small to warehouse")
            connection.execute("detach small")
            connection.execute(PLANTED)
        ok(Home(folder, registry=small.registry).run("score"))

    return Home(once(tmp_path_factory, "foundations", make), registry=small.registry)


@pytest.fixture
def ask(planted, monkeypatch):
    """Queries to the planted home, as `explain` makes them."""
    for name, value in planted.environment().items():
        if name.startswith(("NIGHTBOOK_", "MLFLOW_")):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    with duckdb.connect(str(planted.path / "warehouse.duckdb"), read_only=True) as connection:
        yield lambda sql, parameters=None: warehouse.rows(connection, sql, parameters)


def chosen_keys(ask) -> dict[str, list[str]]:
    """Some keys of each kind, each of another customer, first of those with planted rows."""
    customers: set[str] = set()
    found: dict[str, list[str]] = {}
    for kind, column in OF.items():
        found[kind] = []
        corrected = "(select customer_id from raw.customers where _load_id = 'correction')"
        for row in ask(
            f"select distinct {column} as key, customer_id, md5({column}),"
            f" customer_id in {corrected} or customer_id in (select customer_id from raw.accounts where account_id not"
            f" in (select account_id from raw.loan_servicing where snapshot_date = date '{NIGHT}')) as is_planted"
            f" from marts.fct_{kind}_scores inner join raw.{kind}s using ({column})"
            f" where as_of_date = date '{NIGHT}' order by is_planted desc, 3, 2"
        ):
            if row["customer_id"] not in customers and len(found[kind]) < MANY[kind]:
                customers.add(row["customer_id"])
                found[kind].append(row["key"])
    return found


def rows_of(ask, night, kind: str, key: str) -> dict[str, list[dict]]:
    """The rows that explain the score, by table, with each row's position in its table."""
    told = landed_rows.queries(night, kind, key, lambda sql: [one for row in ask(sql) for one in row.values()])
    return {name: ask(sql.replace("select *,", "select rowid as place, *,", 1)) for name, sql in told.items()}


def wide_rows(ask, night, kind: str, key: str) -> dict[str, set[int]]:
    """All rows of the customers, as a reproduction lands them: positions by table."""
    picked = {one: f"(select '{key if one == kind else ''}' as key)" for one in OF}
    conditions = landed_rows.conditions(night, "raw", picked, lambda name, sql: f"({sql})")
    seen = landed_rows.known(night)
    return {
        name: {row["rowid"] for row in ask(f"select rowid from raw.{name} where ({condition}) and {seen}")}
        for name, condition in conditions.items()
    }


def derived(scratch: Path, places: dict[str, set[int]], changes: list[str] = ()) -> reproduce.Reproduction:
    """Reproduce the night from some landed rows only, and compare."""
    scratch.mkdir()
    with warehouse.asking() as query:
        night = scored_nights.scored_night(query, NIGHT)
    with scratch_home.beside(scratch) as connection:
        scratch_home.carry_record(connection, "book")
        connection.execute("create schema raw")
        for name in TABLES:
            connection.execute("create or replace temp table kept (place bigint)")
            if places.get(name):
                connection.execute(f"insert into kept select unnest({sorted(places[name])})")
            where = "where rowid in (select place from kept)" if name in places else ""
            connection.execute(f"create table raw.{name} as select *, rowid as place from book.raw.{name} {where}")
        for change in changes:
            connection.execute(change)
        for name in TABLES:
            connection.execute(f"alter table raw.{name} drop column place")
    return reproduce.Reproduction(night, rerun.derive(scratch, night))


def different(scratch: Path, kind: str, keys: list[str]) -> set[str]:
    """Keys whose stored score or any stored input differs from the reproduced one."""
    found = set()
    listed = ", ".join(f"'{key}'" for key in keys)
    with warehouse.asking() as query:
        run_id = scored_nights.scored_night(query, NIGHT).run["run_id"]
    with scratch_home.beside(scratch) as connection:
        for relation, column in [
            (relation, column) for one, relation, column, _ in scored_nights.compared() if one == kind
        ]:
            stored = reproduce._columns(connection, "book", relation)
            columns = ", ".join(name for name in stored if name not in ("run_id", "scored_at"))
            of = f"where as_of_date = date '{NIGHT}' and {column} in ({listed})"
            sides = (
                f"(select {columns} from book.{relation} {of} and run_id = '{run_id}')",
                f"(select {columns} from {relation} {of})",
            )
            for here, there in (sides, sides[::-1]):
                sql = f"select {column} from ({here} except {there}) as differing"
                found |= {row[0] for row in connection.execute(sql).fetchall()}
    return found


def test_a_score_is_the_same_without_any_row_that_is_not_named(ask, tmp_path):
    with warehouse.asking() as query:
        night = scored_nights.scored_night(query, NIGHT)
    keys = chosen_keys(ask)
    # Facts of the whole book: which dates have a snapshot, and in which month the ledger begins.
    places = wide_rows(ask, night, "account", "")
    removed = {}
    for kind, of_kind in keys.items():
        for number, key in enumerate(of_kind):
            told, wide = rows_of(ask, night, kind, key), wide_rows(ask, night, kind, key)
            named = {
                name: {row["place"] for row in rows if not row["is_superseded"]}
                for name, rows in told.items()
                if name != "policy_overrides"
            }
            for name, found in named.items():
                assert found <= wide[name], (kind, key, name)
            if number % 2:
                # Only the rows that are named.
                for name, found in named.items():
                    places[name] |= found
                continue
            # All rows except one that is not named: a superseded one if there is any, else one from varying tables.
            superseded = [(name, row["place"]) for name, rows in told.items() for row in rows if row["is_superseded"]]
            rest = [(name, place) for name in wide for place in sorted(wide[name] - named.get(name, set()))]
            # The tables take turns, because the places of rows differ from one home to the next.
            names = sorted({name for name, _ in superseded or rest})
            of_one = [one for one in superseded or rest if one[0] == names[number // 2 % len(names)]]
            [*_, without] = sorted(of_one, key=lambda one: (one[1] * 7919) % 1009) or [None]
            removed[kind, key] = without
            for name, found in wide.items():
                places[name] |= found
            if without:
                places[without[0]] -= {without[1]}
    assert {one[0] for one in removed.values() if one} >= {"customers", "bureau_pulls", "payments"}
    derived(tmp_path / "without", places)
    for kind, of_kind in keys.items():
        assert different(tmp_path / "without", kind, of_kind) == set()


# Table -> a change of a key's named row.
CHANGES = {
    "customers": "annual_income = coalesce(annual_income, 0) * 2 + 1000",
    "accounts": "opened_on = date '1980-01-01'",
    "loan_servicing": "days_past_due = 120, account_status = 'current', balance = balance + 1000",
    "payments": "account_id = '{key}', paid_on = date '2026-06-02', is_returned = true, amount = amount + 1",
    "bureau_pulls": "customer_id = '{customer}', pulled_on = date '2026-06-30', bureau_score = 1",
    "applications": "requested_amount = coalesce(requested_amount, 0) * 2 + 1000",
}


def test_each_named_row_can_move_the_score_that_it_is_named_for(ask, tmp_path):
    with warehouse.asking() as query:
        night = scored_nights.scored_night(query, NIGHT)
    keys = chosen_keys(ask)
    places = wide_rows(ask, night, "account", "")
    changes, changed = [], {}
    for kind, of_kind in keys.items():
        for number, key in enumerate(of_kind):
            told = rows_of(ask, night, kind, key)
            for name, found in wide_rows(ask, night, kind, key).items():
                places[name] |= found
            own = [
                (name, row)
                for name, rows in told.items()
                if name in CHANGES
                for row in rows
                if not row["is_superseded"]
            ]
            tables = sorted({name for name, _ in own})
            name = tables[number % len(tables)]
            mine = [row for one, row in own if one == name]
            # If there is one, a row that a correction moved elsewhere: its new place is what matters.
            row = next((one for one in mine if one["_load_id"] == "correction"), mine[(number * 31) % len(mine)])
            [customer] = told["customers"][:1] or [{"customer_id": ""}]
            change = CHANGES[name].format(key=key, customer=customer["customer_id"])
            changes.append(f"update raw.{name} set {change} where place = {row['place']}")
            changed[kind, key] = (name, row)
    assert {name for name, _ in changed.values()} == set(CHANGES)
    derived(tmp_path / "changed", places, changes)
    for kind, of_kind in keys.items():
        same = set(of_kind) - different(tmp_path / "changed", kind, of_kind)
        assert not same, [changed[kind, key] for key in same]


def test_explain_names_those_rows(planted, ask):
    key = chosen_keys(ask)["account"][0]
    told = json.loads(ok(planted.run("explain", "--account", key, "--as-of", str(NIGHT), "--json")).stdout)
    with warehouse.asking() as query:
        night = scored_nights.scored_night(query, NIGHT)
    for name, rows in rows_of(ask, night, "account", key).items():
        assert len(told["raw"][name]) == len(rows) and (name == "policy_overrides" or name == "default_events" or rows)
        assert [row["is_superseded"] for row in told["raw"][name]] == [row["is_superseded"] for row in rows]
    incomes = {row["_load_id"]: row["is_superseded"] for row in told["raw"]["customers"]}
    assert incomes.pop("correction") and set(incomes.values()) == {False}
