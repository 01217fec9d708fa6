"""Files other than plain ones, and values that a column cannot mean, are refused or handled as documented."""

import os
import shutil
import socket
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightbook.errors import NightbookError
from nightbook.landing import casts, intake, land_files, land_uci_taiwan
from nightbook.landing.contract import COUNT, DATE, FLAG, MOMENT, MONEY
from test_landing_files import NOW, folder, put, refused  # noqa: F401

# Files

ACCOUNTS = {
    "account_id": ["A1", "A2"], "customer_id": ["C1", "C2"], "product": ["personal_loan", "credit_line"],
    "opened_on": pa.nulls(2, pa.date32()), "credit_limit": [1000.0, 500.5], "apr": [0.12, None],
    "term_months": pa.array([24, None], pa.int32()), "closed_on": pa.nulls(2),
}  # fmt: skip


def accounts(folder: Path, name: str = "accounts.parquet", **columns) -> Path:  # noqa: F811
    """Write accounts as Parquet in place of the CSV file, with some columns as given."""
    (folder / "accounts.csv").unlink(missing_ok=True)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(ACCOUNTS | columns), path)
    return path


def fifo(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)


def listener(path: Path) -> None:
    before = Path.cwd()
    # The path of a socket is limited to about a hundred bytes.
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(before)


def outside(path: Path, target: Path) -> None:
    accounts(target.parent, target.name)
    path.symlink_to(target)


ODD_FILES = {
    "pipe": (lambda f: fifo(f / "accounts.csv"), "accounts.csv is a pipe: put the file itself there"),
    "pipe as a part": (lambda f: fifo(f / "accounts" / "1.parquet"), "accounts/1.parquet is a pipe"),
    "socket": (lambda f: listener(f / "accounts.csv"), "accounts.csv is a socket"),
    "device": (lambda f: (f / "accounts.csv").symlink_to("/dev/zero"), "accounts.csv is a link"),
    "link out": (lambda f: outside(f / "accounts.parquet", f.parent / "aside.parquet"), "accounts.parquet is a link"),
    "folder out": (lambda f: (accounts(f.parent, "aside/1.parquet"), (f / "accounts").symlink_to(f.parent / "aside")),
                   "accounts is a link"),
    "part out": (lambda f: (accounts(f, "accounts/1.parquet"),
                            outside(f / "accounts" / "2.parquet", f.parent / "aside.parquet")),
                 "accounts/2.parquet is a link"),
    "link to nowhere": (lambda f: (f / "accounts.csv").symlink_to("nowhere"), "accounts.csv is a link"),
    "link to itself": (lambda f: (f / "accounts.csv").symlink_to("accounts.csv"), "accounts.csv is a link"),
    "folder named as a file": (lambda f: (f / "accounts.parquet").mkdir(), "accounts.parquet is not a landing table"),
    "folder named as a part": (lambda f: accounts(f, "accounts/1.parquet") and (f / "accounts" / "2.parquet").mkdir(),
                               "accounts/2.parquet is not a .parquet file"),
    "folder among parts": (lambda f: accounts(f, "accounts/1.parquet") and (f / "accounts" / "2026").mkdir(),
                           "accounts/2026 is not a .parquet file"),
    "csv among parts": (lambda f: accounts(f, "accounts/1.parquet") and (f / "accounts" / "2.csv").write_text("x"),
                        "accounts/2.csv is not a .parquet file: the folder of a table may contain only its Parquet "
                        "files"),
    "a name of two lines": (lambda f: (f / "x\n\x1b[31m.csv").write_text("x"), r"'x\\n\\x1b[31m.csv' has an invisible"),
    "a part of two lines": (lambda f: accounts(f, "accounts/a\nb.parquet"), r"accounts/: 'a\\nb.parquet' has an inv"),
    "a name that is no text": (lambda f: (Path(os.fsdecode(os.fsencode(f) + b"/\xff.csv"))).write_text("x"),
                               "has an invisible character in its name: rename it"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "message"), ODD_FILES.values(), ids=ODD_FILES)
def test_what_is_no_plain_file_is_refused(folder, plant, message):  # noqa: F811
    (folder / "accounts.csv").unlink()
    plant(folder)
    assert message in refused(folder)


def test_the_uci_file_may_not_be_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "UCI_Credit_Card.csv")
    with pytest.raises(NightbookError, match="UCI_Credit_Card.csv is a pipe"):
        land_uci_taiwan(tmp_path / "UCI_Credit_Card.csv")


@pytest.mark.parametrize("change", [lambda file: file.open("a").write("more\n"), lambda file: file.touch()])
def test_a_file_that_changes_while_it_is_read_is_refused(folder, monkeypatch, change):  # noqa: F811
    def looked_at(descriptor, fstat=os.fstat):
        found = fstat(descriptor)
        if "payments" in os.readlink(f"/proc/self/fd/{descriptor}"):
            change(folder / "payments.csv")
        return found

    monkeypatch.setattr(intake.os, "fstat", looked_at)
    assert refused(folder) == "payments.csv changed while it was read: land it again when it is complete"


def test_only_the_copy_is_read(folder, query, monkeypatch):  # noqa: F811
    """Once the copies are made, changes to the folder have no effect."""
    from nightbook.landing import files

    def taken_and_gone(*arguments, take=files._take):
        taken = take(*arguments)
        shutil.rmtree(folder)
        return taken

    monkeypatch.setattr(files, "_take", taken_and_gone)
    land_files(folder, NOW)
    assert query("select count(*) from raw.accounts") == [(2,)]


def test_what_spark_leaves_beside_its_parts_is_no_matter(folder, query):  # noqa: F811
    accounts(folder, "accounts/1.parquet")
    accounts(folder, "accounts/2.PARQUET", account_id=["A3", "A4"])
    for name in ("_SUCCESS", ".1.parquet.crc"):
        (folder / "accounts" / name).touch()
    land_files(folder, NOW)
    assert query("select count(*) from raw.accounts") == [(4,)]


# Parts of one table


@pytest.mark.parametrize(
    ("first", "second", "landed"),
    [
        (pa.array([1, 2]), pa.array([3.75, 4.5]), "1.00 2.00 3.75 4.50"),
        (pa.array([3.75, 4.5]), pa.array([1, 2]), "3.75 4.50 1.00 2.00"),
        (pa.array([Decimal(1), Decimal(2)]), pa.array([Decimal("3.75"), Decimal("4.99")]), "1.00 2.00 3.75 4.99"),
        (pa.array([1, 2], pa.int8()), pa.array([300, 2**31]), "1.00 2.00 300.00 2147483648.00"),
        (pa.nulls(2), pa.array([0.1 + 0.2, 2.675]), "None None 0.30 2.68"),
        (pa.array([Decimal("0.01"), Decimal("0.02")]), pa.array([7, 8]), "0.01 0.02 7.00 8.00"),
    ],
)
def test_parts_of_other_types_are_cast_alike(folder, query, first, second, landed):  # noqa: F811
    accounts(folder, "accounts/1.parquet", credit_limit=first)
    accounts(folder, "accounts/2.parquet", credit_limit=second, account_id=["A3", "A4"])
    land_files(folder, NOW)
    assert " ".join(str(row[0]) for row in query("select credit_limit from raw.accounts order by account_id")) == landed


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {"credit_limit": [1.0, 2.0]},
            {"credit_limit": ["1", "2"]},
            "column credit_limit is VARCHAR, but in earlier parts",
        ),
        ({"account_id": ["A1", "A2"]}, {"account_id": [1.5, 2.5]}, "column account_id is DOUBLE, but in earlier parts"),
        (
            {},
            {"_loaded_at": ["2026-01-01", "2026-01-01"]},
            "column _loaded_at is VARCHAR, but in earlier parts it is missing",
        ),
        ({"branch": ["x", "y"]}, {}, "column branch is missing, but in earlier parts it is VARCHAR"),
    ],
)
def test_parts_that_cannot_be_read_alike_are_refused(folder, first, second, message):  # noqa: F811
    accounts(folder, "accounts/1.parquet", **first)
    accounts(folder, "accounts/2.parquet", **({"account_id": ["A3", "A4"]} | second))
    assert f"accounts/2.parquet: {message}" in refused(folder)


@pytest.mark.parametrize("twice", ["account_id", "ACCOUNT_ID"])
def test_a_column_twice_is_refused_also_in_parquet(folder, twice):  # noqa: F811
    path = accounts(folder)
    table = pq.read_table(path)
    pq.write_table(table.append_column(twice, pa.array(["X", "Y"])), path)
    assert refused(folder) == "accounts.parquet: column account_id appears twice in the header"


# Values

UTC_NIGHT = datetime(2025, 1, 1, 23, 30, tzinfo=UTC)
NIGHT = UTC_NIGHT.replace(tzinfo=None)
TAKEN = {
    "0.1+0.2": ("credit_limit", pa.array([0.1 + 0.2, 2.675]), "0.30 2.68"),
    "half a cent": ("credit_limit", pa.array([0.125, 1000.005]), "0.13 1000.01"),
    "minus half a cent": ("apr", pa.array([0.0000005, 0.0000015]), "0.000001 0.000002"),
    "minus nothing": ("credit_limit", pa.array([-0.0, 1.0]), "0.00 1.00"),
    "largest float with cents": ("credit_limit", pa.array([70368744177663.99, 0.07]), "70368744177663.99 0.07"),
    "float of 4 bytes": ("credit_limit", pa.array([0.1, 131071.99], pa.float32()), "0.10 131071.99"),
    "decimal": ("credit_limit", pa.array([Decimal("1.2350"), Decimal("2.0000")]), "1.24 2.00"),
    "whole": ("credit_limit", pa.array([2**53 + 1, 7], pa.uint64()), "9007199254740993.00 7.00"),
    "count as float": ("term_months", pa.array([24.0, None]), "24 None"),
    "count as decimal": ("term_months", pa.array([Decimal("24.00"), None]), "24 None"),
    "date as midnight": ("opened_on", pa.array([datetime(2025, 1, 1), None]), "2025-01-01 None"),  # noqa: DTZ001
    "id as number": ("account_id", pa.array([7, 8]), "7 8"),
    "nothing at all": ("term_months", pa.nulls(2, pa.float64()), "None None"),
}
NOT_TAKEN = {
    "nan": ("credit_limit", pa.array([1.0, float("nan")]), "row 2: credit_limit is nan, which is not a number"),
    "infinite": ("credit_limit", pa.array([float("inf"), 1.0]), "row 1: credit_limit is inf, which is not a number"),
    "no cents": ("credit_limit", pa.array([90071992547409.93, 1.0]), "row 1: credit_limit is 90071992547409.94, which"),
    "no cents in 4 bytes": ("credit_limit", pa.array([1.0, 131073.25], pa.float32()), "row 2: credit_limit is 131073"),
    "17 digits": ("credit_limit", pa.array([Decimal("1e16"), Decimal(2)], pa.decimal128(38, 2)),
                  "row 1: credit_limit is 10000000000000000.00, which is not a number that fits DECIMAL(18,2)"),
    "half a month": ("term_months", pa.array([24.5, None]), "row 1: term_months is 24.5, which is not a whole number"),
    "a month and a bit": ("term_months", pa.array(["24.0000000000000000001", None]), "which is not a whole number"),
    "count of nan": ("term_months", pa.array([float("nan"), None]), "row 1: term_months is nan, which is not a whole"),
    "too many": ("term_months", pa.array([2**31, None]), "row 1: term_months is 2147483648, which is not a whole"),
    "true count": ("term_months", pa.array([True, None]), "row 1: term_months is True, which is not a whole number"),
    "true money": ("credit_limit", pa.array([True, None]), "row 1: credit_limit is True, which is not a number"),
    "date of a moment": ("opened_on", pa.array([NIGHT, None]), "row 1: opened_on is 2025-01-01 23:30:00, which is not"),
    "date in a zone": ("opened_on", pa.array([UTC_NIGHT, None], pa.timestamp("us", tz="America/New_York")),
                       "row 1: opened_on is 2025-01-01 23:30:00+00:00, which is not a date"),
    "date of a number": ("opened_on", pa.array([20_000, None]), "row 1: opened_on is 20000, which is not a date"),
    "id of a float": ("account_id", pa.array([1.0, 2.5]), "row 1: account_id is 1.0, which is not text"),
    "id of bytes": ("account_id", pa.array([b"A1\xff", b"A2"]), "row 1: account_id is b'A1\\xff', which is not"),
    "id of a list": ("account_id", pa.array([["A1"], ["A2"]]), "row 1: account_id is ['A1'], which is not text"),
    "id with a bell": ("account_id", pa.array(["A1", "A2\x07"]), "row 2: account_id is 'A2\\x07', which has a"),
    "id with nothing": ("account_id", pa.array(["A1\u200b", "A2"]), "row 1: account_id is 'A1\\u200b', which has a"),
    "id that is no text": ("account_id", pa.array([b"A1\xff", b"A2"]).view(pa.string()), "accounts.parquet cannot be"),
    "structure": ("credit_limit", pa.array([{"a": 1}, {"a": 2}]), "row 1: credit_limit is {'a': 1}, which is not a n"),
}  # fmt: skip


@pytest.mark.parametrize(("column", "values", "landed"), TAKEN.values(), ids=TAKEN)
def test_values_of_other_types_land_as_documented(folder, query, column, values, landed):  # noqa: F811
    accounts(folder, **{column: values})
    land_files(folder, NOW)
    order = "account_id" if column != "account_id" else "1"
    assert " ".join(str(row[0]) for row in query(f"select {column} from raw.accounts order by {order}")) == landed


@pytest.mark.parametrize(("column", "values", "message"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_values_that_a_column_does_not_mean_are_refused(folder, column, values, message):  # noqa: F811
    accounts(folder, **{column: values})
    assert message in refused(folder)


TEXTS = {
    MONEY: {
        "1e3": "1000.00", "1.5E-1": "0.15", "0.30000000000000004": "0.30", "0.125": "0.13", "2.675": "2.68",
        " 1000 ": "1000.00", "+1000": "1000.00", "1000.": "1000.00", ".5": "0.50", "-0": "0.00", "-0.005": "-0.01",
        "1,000": None, "1.000,50": None, "1 000": None, "1_000": None, "0x10": None, "NaN": None, "inf": None,
        "1e400": None, "１０００": None, "$1000": None, "1e17": None,
    },
    COUNT: {
        "24.0": "24", " 24": "24", "1e1": "10", "24.5": None, "24.0000000000000000001": None, "2_4": None, "0x18": None,
        "true": None, "2147483648": None,
    },
    DATE: {
        "2025-01-15": "2025-01-15", "2025-01-15 00:00:00": "2025-01-15", "2025-1-5": None, "20250115": None,
        "2025-01-15 10:00:00": None, "2025-01-15T23:30:00-05:00": None, "01/15/2025": None, "2025/01/15": None,
        "epoch": None, "infinity": None, "-infinity": None, "today": None, "2025-02-29": None,
    },
    FLAG: {"f": "false", "No": "false", "1": "true", "TRUE": "true", "on": None, "2": None, "0.5": None},
    MOMENT: {
        "2025-01-15T23:30:00-05:00": "2025-01-16 04:30:00", "2025-01-15": "2025-01-15 00:00:00", "epoch": None,
        "-infinity": None, "today": None, "20250115": None,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "text", "landed"), [(t, a, b) for t, texts in TEXTS.items() for a, b in texts.items()]
)
def test_texts_land_as_documented_or_not_at_all(engine, type_, text, landed):
    query = f"select {casts.misread('x', type_)}, ({casts.parsed('x', type_)})::varchar from (select $text as x)"
    [(is_wrong, found)] = engine.execute(query, {"text": text}).fetchall()
    assert is_wrong if landed is None else (is_wrong, found) == (False, landed)


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("text", ["-infinity"])
def test_a_moment_is_written_out(folder, text):  # noqa: F811
    put(folder, "default_events", 0, "reason", "reason,_loaded_at")
    put(folder, "default_events", 1, "reported", f"reported,{text}")
    assert f"default_events.csv row 1: _loaded_at is '{text}', which is not a UTC timestamp" in refused(folder)


def test_rounding_is_said_and_noise_of_floats_is_not(folder):  # noqa: F811
    accounts(folder, credit_limit=pa.array([0.1 + 0.2, 1e9 + 0.1]), apr=pa.array([0.1 + 0.2, None]))
    assert "rounded" not in str(land_files(folder, NOW).notes)
    accounts(folder, credit_limit=pa.array([2.675, 1.0]))
    notes = land_files(folder, NOW).notes
    assert "accounts.parquet: credit_limit: values with more decimals than DECIMAL(18,2) were rounded: 1" in notes
