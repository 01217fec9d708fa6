"""Good folders land whole. Of bad ones nothing lands, and one line says what is wrong and where."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import land_files, land_synthetic, sample
from nightbook.landing.contract import TABLES

NOW = datetime(2026, 9, 1, 3, 4, 5, tzinfo=UTC)

GOOD = {
    "accounts": [
        "account_id,customer_id,product,opened_on,credit_limit,apr,term_months,closed_on",
        "A1,C1,personal_loan,2025-01-15,1000,0.12,24,",
        "A2,C2,credit_line,,500.50,,,",
    ],
    "loan_servicing": [
        "account_id,snapshot_date,balance,credit_limit,scheduled_payment,amount_paid,days_past_due,account_status",
        "A1,2026-07-31,900,1000,50,50,0,current",
        "A2,2026-07-31,-20,500.50,,0,0,current",
        "A1,2026-08-31,850,1000,50,0,17,delinquent",
    ],
    "customers": [
        "customer_id,birth_date,state,employment_status,annual_income,full_name,email",
        'C1,1980-02-29,NY,,52000,"Doe, Zoë",',
    ],
    "payments": [
        "payment_id,account_id,paid_on,amount,method,is_returned",
        "T1,A1,2026-07-14,50,ach,false",
        "T2,A1,2026-08-14,50,ach,true",
    ],
    "default_events": ["account_id,defaulted_on,reason", "A2,2026-08-31,reported"],
    "bureau_pulls": [
        "pull_id,customer_id,pulled_on,bureau_score,inquiries_6m,open_tradelines,total_utilization,"
        "worst_delinquency_24m,derogatory_count",
        "B1,C1,2026-08-01,700,0,3,0.25,0,0",
    ],
}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    for table, lines in GOOD.items():
        (path / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def put(folder: Path, table: str, row: int, old: str, new: str) -> None:
    """Change a text in one line of a CSV file. Line 0 is the header."""
    file = folder / f"{table}.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    assert old in lines[row]
    lines[row] = lines[row].replace(old, new, 1)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def to_parquet(folder: Path, table: str, target: str, types: str = "") -> Path:
    path = folder / target
    path.parent.mkdir(exist_ok=True)
    csv = folder / f"{table}.csv"
    duckdb.sql(f"select * {types} from read_csv('{csv}')").write_parquet(str(path))
    csv.unlink()
    return path


def refused(folder: Path) -> str:
    """Land, and return the one error line. Nothing may have been written."""
    with pytest.raises(NightbookError) as raised:
        land_files(folder, NOW)
    assert "\n" not in str(raised.value)
    assert not home.landing().exists() and not home.warehouse().exists()
    assert not list(home.home().glob("*")) and not list(home.home().glob(".*"))
    return str(raised.value)


# Good folders


def test_a_folder_of_csv_lands(folder, query):
    load = land_files(folder, NOW)
    assert load.load_id.startswith("files-") and len(load.load_id) == 18
    assert str(load.last_snapshot) == "2026-08-31"
    assert load.rows == {table: len(GOOD.get(table, [0])) - 1 for table in TABLES}
    assert query("select full_name, email, _loaded_at::varchar, _load_id from raw.customers") == [
        ("Doe, Zoë", None, "2026-09-01 03:04:05", load.load_id)
    ]
    assert query("select balance::varchar from raw.loan_servicing order by balance limit 1") == [("-20.00",)]
    for name, table in TABLES.items():
        (part,) = home.landing().glob(f"*/{name}/*.parquet")
        schema = pq.read_schema(part)
        assert (schema.names, schema.types) == (table.schema.names, table.schema.types)


def test_parquet_lands_as_csv_does(folder, query):
    land_files(folder, NOW)
    rows = [query(f"select * exclude (_load_id) from raw.{table} order by all") for table in GOOD]
    to_parquet(folder, "accounts", "accounts.parquet", "replace (credit_limit::double as credit_limit)")
    half = folder / "loan_servicing.csv"
    lines = half.read_text().splitlines()
    half.write_text("\n".join(lines[:3]) + "\n")
    to_parquet(folder, "loan_servicing", "loan_servicing/1.parquet")
    half.write_text("\n".join([lines[0], *lines[3:]]) + "\n")
    to_parquet(folder, "loan_servicing", "loan_servicing/2.parquet")
    load = land_files(folder, NOW)
    found = [
        query(f"select * exclude (_load_id) from raw.{table} where _load_id = '{load.load_id}' order by all")
        for table in GOOD
    ]
    assert found == rows


def test_the_sample_survives_the_round_trip(tmp_path, query):
    sample.write_sample(tmp_path / "sample")
    load = land_files(tmp_path / "sample", NOW)
    assert load.rows["loan_servicing"] > 5_000 and load.rows["policy_overrides"] == 0
    back = query("select *, strftime(_loaded_at, '%Y-%m-%d %H:%M:%S') from raw.applications limit 1")[0]
    first = (tmp_path / "sample" / "applications.csv").read_text().splitlines()[1]
    assert first.startswith(back[0]) and first.endswith(f"{back[-1]},{back[-2]}")


def test_two_tables_are_enough(folder, query):
    for table in set(GOOD) - {"accounts", "loan_servicing"}:
        (folder / f"{table}.csv").unlink()
    assert land_files(folder, NOW).rows["payments"] == 0
    assert query("select count(*) from raw.payments") == [(0,)]


def test_the_same_folder_is_one_load(folder, query):
    first = land_files(folder, NOW)
    second = land_files(folder, datetime(2026, 9, 2, tzinfo=UTC))
    assert second.load_id == first.load_id and second.rows == first.rows
    assert second.notes == (*first.notes, "these files had already landed: nothing was written")
    assert query("select distinct _loaded_at::varchar from raw.accounts") == [("2026-09-01 03:04:05",)]


def test_another_content_is_another_load(folder, query):
    land_files(folder, NOW)
    put(folder, "accounts", 1, "1000", "1100")
    land_files(folder, NOW)
    assert query("select count(*), count(distinct _load_id) from raw.accounts") == [(4, 2)]


def test_files_may_follow_another_load(folder, query):
    land_synthetic(20, months=2, applications=1)
    land_files(folder, NOW)
    assert query("select count(distinct split_part(_load_id, '-', 1)) from raw.accounts") == [(2,)]


def test_load_columns_of_the_user_are_kept(folder, query):
    put(folder, "default_events", 0, "reason", "reason,_loaded_at,_load_id")
    put(folder, "default_events", 1, "reported", "reported,2026-08-31T23:30:00+02:00,mine")
    land_files(folder, NOW)
    stamped = query("select _loaded_at::varchar, _load_id from raw.default_events")
    assert stamped == [("2026-08-31 21:30:00", "mine")]


def test_a_correction_is_a_row_of_its_own(folder, query):
    put(folder, "default_events", 0, "reason", "reason,_loaded_at")
    put(folder, "default_events", 1, "reported", "reported,2026-08-31\nA2,2026-08-30,reported,2026-09-01 01:00:00")
    assert land_files(folder, NOW).rows["default_events"] == 2


def test_columns_come_in_any_order_and_case_and_others_are_noted(folder, query):
    put(folder, "default_events", 0, "account_id,defaulted_on,reason", "\ufeffReason,branch,ACCOUNT_ID,defaulted_on")
    put(folder, "default_events", 1, "A2,2026-08-31,reported", "reported,north,A2,2026-08-31")
    load = land_files(folder, NOW)
    assert load.notes[0] == "default_events.csv: ignored columns that are not in the contract: branch"
    assert query("select account_id, reason from raw.default_events") == [("A2", "reported")]


def test_a_quote_in_a_path_is_no_matter(folder, tmp_path):
    odd = folder.rename(tmp_path / "it's [1]* in")
    pq.write_table(TABLES["payments"].schema.empty_table(), odd / "payments.parquet")
    (odd / "payments.csv").unlink()
    assert land_files(odd, NOW).rows["accounts"] == 2


# Bad rows: table, row, old text, new text, what the message says.

BAD_ROWS = {
    "missing column": ("loan_servicing", 0, "days_past_due", "dpd",
                       "loan_servicing.csv: column days_past_due is missing"),
    "column twice": ("accounts", 0, "opened_on", "apr", "accounts.csv: column apr appears twice in the header"),
    "not a number": ("loan_servicing", 2, "-20", "n/a",
                     "loan_servicing.csv row 2: balance is 'n/a', which is not a number that fits DECIMAL(18,2)"),
    "not a date": ("loan_servicing", 3, "2026-08-31", "31/08/2026",
                   "loan_servicing.csv row 3: snapshot_date is '31/08/2026', which is not a date (YYYY-MM-DD)"),
    "no such day": ("payments", 1, "2026-07-14", "2026-06-31", "payments.csv row 1: paid_on is '2026-06-31'"),
    "half a day": ("loan_servicing", 3, ",17,", ",17.5,",
                   "loan_servicing.csv row 3: days_past_due is '17.5', which is not a whole number"),
    "not a boolean": ("payments", 2, "true", "maybe", "payments.csv row 2: is_returned is 'maybe', which is not true"),
    "too much money": ("payments", 1, ",50,", ",1e20,", "payments.csv row 1: amount is '1e20'"),
    "not a moment": ("default_events", None, "yesterday", None,
                     "default_events.csv row 1: _loaded_at is 'yesterday', which is not a UTC timestamp"),
    "known tomorrow": ("default_events", None, "2026-09-01 03:04:06", None,
                       "default_events.csv row 1: _loaded_at is '2026-09-01 03:04:06', after now"),
    "known never": ("default_events", None, "", None, "default_events.csv row 1: _loaded_at is null"),
    "future snapshot": ("loan_servicing", 3, "2026-08-31", "2026-09-30",
                        "loan_servicing.csv row 3: snapshot_date is '2026-09-30', after today (2026-09-01)"),
    "future payment": ("payments", 2, "2026-08-14", "2027-08-14", "payments.csv row 2: paid_on is '2027-08-14', after"),
    "null in a key": ("loan_servicing", 2, "A2,2026-07-31", "A2,",
                      "loan_servicing.csv row 2: snapshot_date is null, but it is part of the key"),
    "null account": ("accounts", 2, "A2", "", "accounts.csv row 2: account_id is null, but it is part of the key"),
    "unknown product": ("accounts", 2, "credit_line", "mortgage",
                        "accounts.csv row 2: product is 'mortgage', which is not one of personal_loan, credit_line"),
    "unknown reason": ("default_events", 1, "reported", "rumour",
                       "default_events.csv row 1: reason is 'rumour', which is not one of 90_dpd"),
    "negative payment": ("payments", 2, ",50,", ",-50,",
                         "payments.csv row 2: amount is '-50', which is below zero"),
    "negative days": ("loan_servicing", 3, ",17,", ",-1,", "row 3: days_past_due is '-1', which is below zero"),
    "same snapshot twice": ("loan_servicing", 3, "2026-08-31", "2026-07-31",
                            "loan_servicing.csv row 3: account_id A1, snapshot_date 2026-07-31 is already in row 1"),
    "same payment twice": ("payments", 2, "T2", "T1", "payments.csv row 2: payment_id T1 is already in row 1"),
    "short row": ("payments", 2, ",true", "", "payments.csv row 2: Expected Number of Columns: 6 Found: 5"),
    "long row": ("payments", 2, "true", "true,1,2", "payments.csv row 2: Expected Number of Columns: 6 Found: "),
    "open quote": ("payments", 2, "ach", '"ach', "payments.csv row 2: Value with unterminated quote found"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "row", "old", "new", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_named(folder, table, row, old, new, message):
    if row is None:
        put(folder, table, 0, "reason", "reason,_loaded_at")
        put(folder, table, 1, "reported", f"reported,{old}")
    else:
        put(folder, table, row, old, new)
    assert message in refused(folder)


def test_the_first_of_many_bad_rows_is_named(folder):
    rows = "".join(f"A{i},2026-08-31,1,1,1,1,{'x' if i in (70_001, 90_000) else 0},current\n" for i in range(3, 99_999))
    with (folder / "loan_servicing.csv").open("a") as stream:
        stream.write(rows)
    assert "loan_servicing.csv row 70002: days_past_due is 'x'" in refused(folder)


def test_a_bad_row_of_parquet_is_named(folder):
    put(folder, "loan_servicing", 2, "2026-07-31", "2026-12-31")
    to_parquet(folder, "loan_servicing", "loan_servicing.parquet")
    assert "loan_servicing.parquet row 2: snapshot_date is 2026-12-31, after today" in refused(folder)


def test_a_parquet_column_of_another_kind_is_named(folder):
    to_parquet(folder, "loan_servicing", "loan_servicing.parquet", "replace ([1, 2] as snapshot_date)")
    assert "loan_servicing.parquet row 1: snapshot_date is [1, 2], which is not a date" in refused(folder)


def test_rows_count_on_through_the_parts_of_a_folder(folder):
    put(folder, "loan_servicing", 1, ",0,current", ",-3,current")
    to_parquet(folder, "loan_servicing", "loan_servicing/b.parquet")
    (folder / "loan_servicing.csv").write_text("\n".join(GOOD["loan_servicing"]) + "\n")
    to_parquet(folder, "loan_servicing", "loan_servicing/a.parquet")
    assert "loan_servicing/ row 4: days_past_due is -3, which is below zero" in refused(folder)


# Bad files


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / f"{name.split('.')[0]}.csv").unlink(missing_ok=True)
    (folder / name).write_bytes(content)


HEADER_ONLY = (GOOD["accounts"][0] + "\n").encode()
BAD_FILES = {
    "empty csv": ("accounts.csv", b"", "accounts.csv is empty (0 bytes)"),
    "empty parquet": ("payments.parquet", b"", "payments.parquet is empty (0 bytes)"),
    "header only": ("accounts.csv", HEADER_ONLY, "accounts.csv has no rows"),
    "csv named parquet": ("accounts.parquet", HEADER_ONLY, "accounts.parquet is not a Parquet file"),
    "cut parquet": ("accounts.parquet", b"PAR1" + b"x" * 100, "accounts.parquet cannot be read: "),
    "parquet named csv": ("accounts.csv", b"PAR1" + b"x" * 100,
                          "accounts.csv is not a CSV file: it contains Parquet data"),
    "binary named csv": ("accounts.csv", b"\x1f\x8b\0\0\1", "accounts.csv is not a CSV file: it contains binary data"),
    "latin-1 header": ("accounts.csv", b"account_id,caf\xe9\n", "accounts.csv is not UTF-8 text"),
    "latin-1 row": ("payments.csv", "\n".join(GOOD["payments"]).replace("ach", "\xe9").encode("latin-1"),
                    "payments.csv is not UTF-8 text"),
    "latin-1 row far down": ("payments.csv", b"\n".join([b"payment_id,account_id,paid_on,amount,method,is_returned",
                             *[b"T1,A1,,,,"] * 99_999, b"T1,\xe9,,,,"]),
                             "payments.csv row 100000: Invalid unicode"),
    "typo": ("acounts.csv", HEADER_ONLY, "acounts.csv is not a landing table: name files <table>.csv"),
    "another ending": ("accounts.xlsx", b"x", "accounts.xlsx is not a landing table"),
    "a readme": ("README.md", b"x", "README.md is not a landing table"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_named(folder, name, content, message):
    write(folder, name, content)
    assert message in refused(folder)


def test_parquet_without_rows_is_refused_where_rows_are_required(folder):
    pq.write_table(TABLES["accounts"].schema.empty_table(), folder / "accounts.parquet")
    (folder / "accounts.csv").unlink()
    assert refused(folder) == "accounts.parquet has no rows"


def test_both_formats_of_a_table_are_refused(folder):
    pq.write_table(TABLES["accounts"].schema.empty_table(), folder / "accounts.parquet")
    assert "accounts.csv and accounts.parquet contain the same table" in refused(folder)


@pytest.mark.parametrize("table", ["accounts", "loan_servicing"])
def test_a_required_table_is_required(folder, table):
    (folder / f"{table}.csv").unlink()
    assert f"has no {table}.csv or {table}.parquet: this table is required" in refused(folder)


def test_a_folder_without_parts_is_refused(folder):
    (folder / "payments.csv").unlink()
    (folder / "payments").mkdir()
    assert "payments/ contains no .parquet file" in refused(folder)


def test_no_folder_and_an_empty_one(tmp_path):
    assert refused(tmp_path / "nowhere").endswith(
        "nowhere is not a folder: give the folder that contains your landing files"
    )
    (tmp_path / "empty").mkdir()
    assert "is empty: put accounts and loan_servicing there" in refused(tmp_path / "empty")
