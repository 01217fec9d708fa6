import os
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import land_synthetic, land_uci_taiwan

REAL = Path(__file__).parents[5] / "shared" / "data" / "uci_taiwan" / "UCI_Credit_Card.csv"
HEADER = (
    "ID,LIMIT_BAL,SEX,EDUCATION,MARRIAGE,AGE,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,PAY_6,BILL_AMT1,BILL_AMT2,BILL_AMT3,"
    "BILL_AMT4,BILL_AMT5,BILL_AMT6,PAY_AMT1,PAY_AMT2,PAY_AMT3,PAY_AMT4,PAY_AMT5,PAY_AMT6,default.payment.next.month"
)
# Every status code once, a negative bill, one over the limit, an undocumented education and marriage.
FIRST = "1,20000,2,0,0,24,2,0,-1,-2,3,1,101,102,103,104,105,106,0,202,203,204,205,206,1"
SECOND = "2,1.00E+05,1,6,1,nan,-1,0,0,0,0,0,-1645,120000,1,2,3,4,301,0,0,0,0,306,0"


def csv(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    file = tmp_path / "UCI_Credit_Card.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


@pytest.mark.parametrize("target", ["default.payment.next.month", "default payment next month"])
def test_both_spellings_of_the_target_land(tmp_path, query, target):
    load = land_uci_taiwan(csv(tmp_path, FIRST, SECOND, header=HEADER.replace("default.payment.next.month", target)))
    assert load.rows == {
        "customers": 2, "accounts": 2, "loan_servicing": 12, "payments": 7, "bureau_pulls": 0, "applications": 0,
        "default_events": 1, "policy_overrides": 4,
    }  # fmt: skip
    assert (load.load_id, str(load.last_snapshot)) == ("uci-taiwan-2005", "2005-09-30")
    event = query("select account_id, defaulted_on::varchar, reason, _loaded_at::varchar from raw.default_events")
    assert event == [("A1", "2005-10-31", "reported", "2005-11-01 02:00:00")]


def test_months_run_backwards_and_status_codes_stay_apart(tmp_path, query):
    land_uci_taiwan(csv(tmp_path, FIRST, SECOND))
    rows = query("""
        select snapshot_date::varchar, balance::int, amount_paid::int, days_past_due, account_status,
            scheduled_payment, _loaded_at::varchar
        from raw.loan_servicing where account_id = 'A1' order by snapshot_date""")
    assert rows == [
        ("2005-04-30", 106, 206, 30, "delinquent", None, "2005-05-01 02:00:00"),
        ("2005-05-31", 105, 205, 90, "delinquent", None, "2005-06-01 02:00:00"),
        ("2005-06-30", 104, 204, 0, "inactive", None, "2005-07-01 02:00:00"),
        ("2005-07-31", 103, 203, 0, "paid_in_full", None, "2005-08-01 02:00:00"),
        ("2005-08-31", 102, 202, 0, "current", None, "2005-09-01 02:00:00"),
        ("2005-09-30", 101, 0, 60, "delinquent", None, "2005-10-01 02:00:00"),
    ]


def test_payments_accounts_customers_and_policy(tmp_path, query):
    land_uci_taiwan(csv(tmp_path, FIRST, SECOND))
    payments = "select paid_on::varchar, amount::int, method, is_returned from raw.payments where account_id = 'A2'"
    assert query(f"{payments} order by 1") == [("2005-04-15", 306, None, False), ("2005-09-15", 301, None, False)]
    account = "select product, credit_limit, opened_on, apr, term_months from raw.accounts where customer_id = 'C2'"
    assert query(account) == [("credit_line", Decimal("100000.00"), None, None, None)]
    born = "select customer_id, birth_date::varchar, state from raw.customers order by 1"
    assert query(born) == [("C1", "1981-09-30", None), ("C2", None, None)]
    assert dict(query("select name, value from raw.policy_overrides")) == {
        "outcome_months": "1",
        "default_days_past_due": "",
        "observed_from": "2005-10-01",
        "observed_through": "2005-10-31",
    }


def test_a_negative_balance_and_one_over_the_limit_are_valid(tmp_path, query):
    land_uci_taiwan(csv(tmp_path, SECOND))
    balances = "select min(balance)::int, max(balance)::int, max(credit_limit)::int from raw.loan_servicing"
    assert query(balances) == [(-1645, 120000, 100000)]


BAD = {
    "no rows": ([], HEADER, "UCI_Credit_Card.csv has no rows"),
    "PAY_1 instead of PAY_0": ([FIRST], HEADER.replace("PAY_0", "PAY_1"), "column PAY_0 is missing"),
    "no target": ([FIRST], HEADER.rsplit(",", 1)[0] + ",X", "column default.payment.next.month is missing"),
    "text": ([SECOND, FIRST.replace("20000", "much")], HEADER, "row 2: LIMIT_BAL is 'much'"),
    "a half status": ([FIRST.replace("24,2,", "24,2.5,")], HEADER, "row 1: PAY_0 is '2.5'"),
    "an unknown status": ([FIRST.replace("24,2,", "24,-3,")], HEADER, "row 1: PAY_0 is '-3'"),
    "a null": ([FIRST.replace("24,2,", "24,,")], HEADER, "row 1: PAY_0 is None"),
    "a target of 2": ([FIRST[:-1] + "2"], HEADER, "row 1: default.payment.next.month is '2'"),
    "a negative payment": ([FIRST.replace("202", "-202")], HEADER, "row 1: PAY_AMT2 is '-202'"),
    "a client twice": ([SECOND, FIRST, FIRST], HEADER, "ID 1 appears twice"),
    "a short row": ([FIRST[:-2]], HEADER, "row 1: Expected Number of Columns: 25 Found: 24"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "header", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_line_and_nothing_lands(tmp_path, rows, header, message):
    with pytest.raises(NightbookError) as raised:
        land_uci_taiwan(csv(tmp_path, *rows, header=header))
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert not home.landing().exists()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NightbookError, match=r"nowhere.csv does not exist: download the UCI data"):
        land_uci_taiwan(tmp_path / "nowhere.csv")


def test_it_does_not_join_another_lender(tmp_path):
    land_synthetic(10, months=2, applications=1)
    with pytest.raises(NightbookError, match=r"already holds synthetic-.*NIGHTBOOK_HOME.*uci-taiwan-2005"):
        land_uci_taiwan(csv(tmp_path, FIRST))


def test_no_other_lender_joins_it(tmp_path):
    land_uci_taiwan(csv(tmp_path, FIRST))
    with pytest.raises(NightbookError, match="already holds uci-taiwan-2005"):
        land_synthetic(10, months=2, applications=1)


@pytest.fixture
def real():
    if not REAL.exists():
        message = f"the UCI data is not at {REAL}: download it (doi 10.24432/C55S3H) and put it there"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return REAL


def test_the_real_file(real, query):
    rows = land_uci_taiwan(real).rows
    assert (rows["accounts"], rows["loan_servicing"], rows["default_events"]) == (30_000, 180_000, 6_636)
    # Client 1 as printed: PAY 2,2,-1,-1,-2,-2; bills 3913,3102,689,0,0,0; payments 0,689,0,0,0,0.
    client = "select month(snapshot_date), balance::int, amount_paid::int, days_past_due, account_status"
    assert query(f"{client} from raw.loan_servicing where account_id = 'A1' order by 1 desc") == [
        (9, 3913, 0, 60, "delinquent"), (8, 3102, 689, 60, "delinquent"), (7, 689, 0, 0, "paid_in_full"),
        (6, 0, 0, 0, "paid_in_full"), (5, 0, 0, 0, "inactive"), (4, 0, 0, 0, "inactive"),
    ]  # fmt: skip
    september = query("select balance, credit_limit from raw.loan_servicing where snapshot_date = '2005-09-30'")
    state = Counter("negative" if b < 0 else "over" if b > limit else "within" for b, limit in september)
    assert state["negative"] == 590 and 0.06 < state["over"] / 30_000 < 0.08
    jumps = """select count(*) from (select days_past_due - lag(days_past_due) over (
        partition by account_id order by snapshot_date) as rise from raw.loan_servicing) where rise >= 60"""
    assert query(jumps) == [(6_209,)]
