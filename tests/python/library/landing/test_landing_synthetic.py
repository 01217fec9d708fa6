"""The synthetic lender behaves like a lender: determinism first, then what must hold, then what is likely."""

import hashlib

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import land_synthetic, synthetic
from nightbook.landing.contract import TABLES, sql_type
from xgboost import XGBClassifier

ACCOUNTS, MONTHS, APPLICATIONS = 4_000, 36, 150


def digests() -> dict[str, str]:
    parts = home.landing().rglob("*.parquet")
    return {
        str(part.relative_to(home.landing())): hashlib.sha256(part.read_bytes()).hexdigest() for part in sorted(parts)
    }


@pytest.fixture(scope="session")
def lender(tmp_path_factory):
    """The lender's landing tables, and views ending in _now with the last version of each row."""
    folder = tmp_path_factory.mktemp("lender")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTBOOK_HOME", str(folder))
        load = land_synthetic(ACCOUNTS, MONTHS, seed=3, applications=APPLICATIONS)
        path = home.warehouse()
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("use raw")
        for name, table in TABLES.items():
            connection.execute(
                f"create temp view {name}_now as select * from raw.{name} "
                f"qualify row_number() over (partition by {', '.join(table.grain)} order by _loaded_at desc) = 1"
            )
        yield load, lambda sql: connection.execute(sql).fetchall()


@pytest.fixture
def query(lender):
    return lender[1]


# Determinism


def land_in(monkeypatch, folder, **arguments) -> dict[str, str]:
    monkeypatch.setenv("NIGHTBOOK_HOME", str(folder))
    land_synthetic(1_000, 8, applications=30, **arguments)
    return digests()


def test_the_same_bytes_on_any_number_of_threads(monkeypatch, tmp_path):
    monkeypatch.setattr(synthetic, "BLOCK_ACCOUNTS", 150)
    one = land_in(monkeypatch, tmp_path / "one", threads=1)
    assert len([part for part in one if "loan_servicing" in part]) == 7
    assert land_in(monkeypatch, tmp_path / "two", threads=2) == one
    assert land_in(monkeypatch, tmp_path / "two", threads=3) == one


def test_another_seed_is_another_lender(monkeypatch, tmp_path):
    one, other = (land_in(monkeypatch, tmp_path / str(seed), seed=seed) for seed in (1, 2))
    assert not {one[a] for a in one if "policy" not in a} & set(other.values())


def test_blocks_share_no_identifier_and_no_luck(monkeypatch, query):
    monkeypatch.setattr(synthetic, "BLOCK_ACCOUNTS", 100)
    load = land_synthetic(400, 6, applications=40)
    with duckdb.connect(str(home.warehouse())) as connection:
        for name, table in TABLES.items():
            key = ", ".join((*table.grain, "_loaded_at"))
            assert connection.execute(f"select {key} from raw.{name} group by all having count(*) > 1").fetchall() == []
        paths = str(home.landing() / load.load_id / "accounts" / "*.parquet")
        limits = connection.execute(f"select list(credit_limit) from read_parquet('{paths}') group by filename")
        assert len({tuple(row[0]) for row in limits.fetchall()}) == 4


def test_progress_ends_with_every_account(monkeypatch):
    monkeypatch.setattr(synthetic, "BLOCK_ACCOUNTS", 100)
    seen = []
    land_synthetic(250, 3, applications=5, on_progress=lambda *progress: seen.append(progress))
    assert len(seen) == 3 and seen[-1] == (250, 250)


def test_the_smallest_lender_lands():
    load = land_synthetic(1, months=1, applications=0)
    assert load.rows["loan_servicing"] == 1 and load.rows["accounts"] >= 1


def test_a_second_lender_is_refused():
    land_synthetic(10, months=2, applications=1)
    before = digests()
    with pytest.raises(NightbookError, match="already holds synthetic-a10-m2-k1-s1"):
        land_synthetic(10, months=2, applications=1, seed=2)
    assert digests() == before


@pytest.mark.parametrize("bad", [{"accounts": 0}, {"months": 0}, {"months": 241}, {"seed": -1}, {"applications": -1}])
def test_a_number_out_of_range_is_one_line(bad):
    with pytest.raises(NightbookError, match=f"^{next(iter(bad))} is .*: give a number from [^\n]*$"):
        land_synthetic(**({"accounts": 10, "months": 2} | bad))
    assert not home.landing().exists()


def test_a_failing_block_leaves_nothing(monkeypatch):
    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(synthetic, "_write", fail)
    with pytest.raises(RuntimeError):
        land_synthetic(10, months=2, applications=1)
    assert list(home.landing().iterdir()) == [] and not list(home.home().glob(".*"))


# What must hold


def test_the_load_says_what_landed(lender):
    load, query = lender
    assert load.load_id == f"synthetic-a{ACCOUNTS}-m{MONTHS}-k{APPLICATIONS}-s3"
    assert str(load.last_snapshot) == "2026-06-30"
    assert load.rows == {name: query(f"select count(*) from {name}")[0][0] for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_the_contract_holds(query, name):
    table = TABLES[name]
    assert [(row[0], row[1]) for row in query(f"describe {name}")] == [
        (column, sql_type(type_)) for column, type_ in table.columns.items()
    ]
    key = (*table.grain, "_loaded_at")
    assert query(f"select 1 from {name} group by {', '.join(key)} having count(*) > 1") == []
    wrong = [f"{column} is null" for column in (*key, "_load_id")]
    wrong += [f"{column} not in {values}" for column, values in table.allowed.items()]
    wrong += [f"{column} > '2026-06-30'" for column in table.dates]
    wrong += [f"{column} < 0" for column in table.non_negative]
    wrong += ["_loaded_at >= '2026-08-31'"]
    assert query(f"select count(*) from {name} where {' or '.join(wrong)}") == [(0,)]


def test_files_keep_the_plain_types_of_the_contract(monkeypatch, tmp_path):
    land_synthetic(50, months=3, applications=5)
    for name, table in TABLES.items():
        (part,) = home.landing().glob(f"*/{name}/*.parquet")
        assert pq.read_schema(part).types == table.schema.types


@pytest.mark.parametrize(
    ("child", "column", "parent"),
    [
        ("accounts", "customer_id", "customers"),
        ("applications", "customer_id", "customers"),
        ("bureau_pulls", "customer_id", "customers"),
        ("loan_servicing", "account_id", "accounts"),
        ("payments", "account_id", "accounts"),
        ("default_events", "account_id", "accounts"),
        ("applications", "account_id", "accounts"),
    ],
)
def test_every_reference_is_known(query, child, column, parent):
    orphan = f"{column} is not null and {column} not in (select {column} from {parent})"
    assert query(f"select count(*) from {child} where {orphan}") == [(0,)]


def test_what_was_paid_is_what_the_ledger_says(query):
    difference = """
        select s.account_id, s.snapshot_date, s.amount_paid, coalesce(p.amount, 0)
        from loan_servicing_now as s
        left join (
            select account_id, last_day(paid_on) as snapshot_date, sum(amount) as amount
            from payments_now where not is_returned group by all
        ) as p using (account_id, snapshot_date)
        where s.amount_paid <> coalesce(p.amount, 0)"""
    assert query(difference) == []


def test_a_payment_identifier_names_one_payment(query):
    assert query("select 1 from payments group by payment_id having count(distinct (account_id, paid_on)) > 1") == []


def test_no_payment_without_a_servicing_row(query):
    lost = "select 1 from payments where (account_id, last_day(paid_on)) not in "
    assert query(lost + "(select account_id, snapshot_date from loan_servicing)") == []


def test_servicing_runs_without_a_gap_from_opening_to_the_last_row(query):
    assert query("""
        select account_id from loan_servicing_now join accounts_now using (account_id)
        group by account_id
        having count(*) <> date_diff('month', min(snapshot_date), max(snapshot_date)) + 1
            or min(snapshot_date) <> greatest(last_day(min(opened_on)), date '2023-07-31')
            or (max(snapshot_date) < '2026-06-30' and arg_max(account_status, snapshot_date) not in
                ('closed', 'charged_off'))""") == []  # fmt: skip


def test_nothing_follows_the_end_of_an_account(query):
    ended = "select account_id, min(snapshot_date) as ended from loan_servicing where account_status in "
    ended += "('closed', 'charged_off') group by account_id"
    assert query(f"select 1 from loan_servicing join ({ended}) using (account_id) where snapshot_date > ended") == []


def test_an_account_that_closed_says_when(query):
    assert query("""
        select a.account_id from accounts_now as a
        full join (select account_id, snapshot_date from loan_servicing where account_status = 'closed') as s
            using (account_id)
        where last_day(a.closed_on) is distinct from s.snapshot_date""") == []  # fmt: skip


def test_days_past_due_and_status_agree(query):
    assert query("""
        select distinct account_status from loan_servicing
        where (account_status in ('current', 'closed') and days_past_due > 0)
            or (account_status = 'delinquent' and days_past_due not between 1 and 152)""") == []  # fmt: skip


def test_days_past_due_rise_by_no_more_than_a_month(query):
    assert (
        query("""
        select 1 from loan_servicing_now
        qualify days_past_due - lag(days_past_due) over (partition by account_id order by snapshot_date) > 31
    """)
        == []
    )


def test_ninety_days_past_due_is_a_default_that_day(query):
    assert query("""
        select account_id from loan_servicing_now left join default_events using (account_id)
        where days_past_due >= 90
        group by account_id
        having coalesce(min(defaulted_on) > min(snapshot_date), true)
            or (min(reason) = '90_dpd' and min(defaulted_on) <> min(snapshot_date))""") == []  # fmt: skip


def test_an_approved_application_opened_each_account(query):
    assert query("""
        select 1 from accounts_now as a
        full join (select * from applications_now where decision = 'approved') as p using (account_id)
        where p.applied_on >= a.opened_on or p.customer_id <> a.customer_id or p.product <> a.product
            or p.application_id is null or a.account_id is null""") == []  # fmt: skip


def test_tonights_applications_are_undecided(query):
    undecided = "decision is null and account_id is null and applied_on = '2026-06-30'"
    assert query(f"select count(*) from applications_now where {undecided}") == [(APPLICATIONS,)]
    assert query("select count(*) from applications_now where decision is null") == [(APPLICATIONS,)]
    assert (
        query("select 1 from applications where (decision = 'approved') is not true and account_id is not null") == []
    )


def test_recent_decisions_follow_an_undecided_row(query):
    versions = "select count(*), count(decision) from applications where decision is not null or applied_on < "
    versions += "'2026-06-30' group by application_id, applied_on having applied_on"
    assert set(query(f"{versions} >= date '2026-06-30' - 91")) == {(2, 1)}
    assert set(query(f"{versions} < date '2026-06-30' - 91")) == {(1, 1)}


# What is likely


def share(query, what: str, rows: str) -> float:
    return query(f"select avg(({what})::int) from {rows}")[0][0]


def test_many_customers_have_several_accounts(query):
    assert 0.70 < query("select count(distinct customer_id) / count(distinct account_id) from accounts")[0][0] < 0.80
    several = "(select count(*) as n from accounts_now group by customer_id)"
    assert 0.18 < share(query, "n > 1", several) < 0.28
    assert query(f"select max(n) from {several}") == [(4,)]


def test_a_seventh_of_the_customers_has_no_bureau_file(query):
    no_file = "customer_id not in (select customer_id from bureau_pulls)"
    assert 0.12 < share(query, no_file, "(select distinct customer_id from accounts)") < 0.18


def test_a_third_of_the_applications_is_declined(query):
    window = "applications_now where decision is not null and applied_on >= '2023-07-01'"
    assert 0.31 < share(query, "decision = 'declined'", window) < 0.39


def test_some_of_tonights_applicants_are_known(query):
    known = "customer_id in (select customer_id from accounts)"
    assert 0.25 < share(query, known, "applications_now where decision is null") < 0.55


def test_one_servicing_row_in_two_hundred_is_corrected_weeks_later(query):
    versions = """(select count(*) as n, date_diff('day', min(_loaded_at), max(_loaded_at)) as days,
        count(distinct (amount_paid, balance)) as told from loan_servicing group by account_id, snapshot_date)"""
    assert 0.003 < share(query, "n > 1", versions) < 0.007
    assert query(f"select count(*) from {versions} where n > 1 and (n > 2 or days not between 20 and 45 or told < 2)")[
        0
    ] == (0,)
    for table, key in (("payments", "payment_id"), ("bureau_pulls", "pull_id")):
        assert query(f"select 1 from {table} group by {key} having count(*) = 2")


def test_seasoned_and_new_accounts_of_both_products(query):
    assert 0.55 < share(query, "opened_on < '2023-07-01'", "accounts_now") < 0.65
    assert 0.50 < share(query, "product = 'personal_loan'", "accounts_now") < 0.60
    assert share(query, "opened_on >= '2026-04-01'", "accounts_now") > 0.02


def test_loans_run_down(query):
    assert query("""
        select avg((balance < earlier)::int) > 0.9 from (
            select *, lag(balance) over (partition by account_id order by snapshot_date) as earlier
            from loan_servicing_now join accounts_now using (account_id) where product = 'personal_loan'
        ) where earlier is not null and days_past_due = 0""") == [(True,)]  # fmt: skip


FEATURES = """
with
book as (
    select * from loan_servicing_now where snapshot_date = '{as_of}' and account_status in ('current', 'delinquent')
        and account_id not in (select account_id from default_events where defaulted_on <= '{as_of}')
),
history as (
    select account_id, max(days_past_due) as worst, count_if(days_past_due > 0) as late,
        avg(balance / credit_limit) as used, avg(amount_paid / nullif(scheduled_payment, 0)) as paid
    from loan_servicing_now where snapshot_date between date '{as_of}' - 180 and '{as_of}' group by account_id
),
returned as (
    select account_id, count_if(is_returned) as returned from payments_now
    where paid_on between date '{as_of}' - 180 and '{as_of}' group by account_id
),
bureau as (
    select customer_id, arg_max(bureau_score, pulled_on) as bureau_score from bureau_pulls_now
    where pulled_on <= '{as_of}' group by customer_id
)
select
    days_past_due, balance / book.credit_limit, worst, late, used, paid, returned, bureau_score, apr,
    date_diff('month', opened_on, date '{as_of}'),
    (account_id in (
        select account_id from default_events where defaulted_on <= date '{as_of}' + interval 12 month
    ))::int
from book join history using (account_id) join accounts_now using (account_id)
left join returned using (account_id) left join bureau using (customer_id)
order by account_id
"""


def auc(label: np.ndarray, score: np.ndarray) -> float:
    rank = np.argsort(np.argsort(score)) + 1
    bad = label.sum()
    return (rank[label == 1].sum() - bad * (bad + 1) / 2) / (bad * (len(label) - bad))


def cohort(query, as_of: str) -> tuple[np.ndarray, np.ndarray]:
    rows = np.array(query(FEATURES.format(as_of=as_of)), dtype=float)
    return rows[:, :-1], rows[:, -1].astype(int)


def test_default_can_be_seen_coming_but_not_always(query):
    train = [cohort(query, as_of) for as_of in ("2024-01-31", "2024-04-30", "2024-06-30")]
    features, label = cohort(query, "2025-06-30")
    assert 0.035 < label.mean() < 0.095
    model = XGBClassifier(n_estimators=60, max_depth=3, learning_rate=0.1, n_jobs=1)
    model.fit(np.vstack([x for x, _ in train]), np.concatenate([y for _, y in train]))
    assert 0.74 < auc(label, model.predict_proba(features)[:, 1]) < 0.90


def test_the_bureau_sees_something_at_application(query):
    rows = query("""
        select (defaulted_on <= applied_on + interval 12 month)::int, bureau_score
        from applications_now join bureau_pulls_now using (customer_id) left join default_events using (account_id)
        where decision = 'approved' and pulled_on = applied_on and bureau_score is not null
            and applied_on between '2023-07-01' and '2025-06-30'""")
    label, score = np.array([(row[0] or 0, row[1]) for row in rows]).T
    assert 0.03 < label.mean() < 0.11
    assert 0.60 < auc(label, -score) < 0.80


def test_trouble_shows_before_default(query):
    """Compares the months before a default with the months of accounts that never default."""
    ahead, calm = query("""
        select avg(balance / s.credit_limit) filter (product = 'credit_line'), avg(is_short), avg(has_return)
        from (
            select *, (amount_paid < scheduled_payment)::int as is_short,
                (exists (select 1 from payments_now as p where is_returned and p.account_id = s.account_id
                    and last_day(p.paid_on) = snapshot_date))::int as has_return
            from loan_servicing_now as s
        ) as s join accounts_now using (account_id) left join default_events using (account_id)
        where account_status in ('current', 'delinquent')
            and (defaulted_on is null or snapshot_date between defaulted_on - 180 and defaulted_on - 1)
        group by defaulted_on is null order by defaulted_on is null""")
    assert ahead[0] > calm[0] + 0.05 and ahead[1] > 3 * calm[1] and ahead[2] > 3 * calm[2]
