"""Bytes that changed in transit or after landing are refused, harmless, or reported as unproven."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.landing import casts, dbt_plugin, intake, land_files, land_synthetic, ledger, pages, store
from nightbook.landing.contract import TABLES
from nightbook.landing.files import engine, open_source
from test_landing_files import GOOD, NOW, folder, put, refused, to_parquet  # noqa: F401

ROWS = 12
ACCOUNTS = pa.table(
    {
        "account_id": [f"A{i:03}" for i in range(ROWS)],
        "customer_id": [f"C{i % 7:03}" for i in range(ROWS)],
        "product": ["personal_loan", "credit_line"] * (ROWS // 2),
        "opened_on": pa.array([date(2025, 1, 1 + i) if i % 5 else None for i in range(ROWS)]),
        "credit_limit": pa.array([Decimal(50025 + 7 * i).scaleb(-2) for i in range(ROWS)], pa.decimal128(18, 2)),
        "apr": [0.1 + i / 1000 for i in range(ROWS)],
        "term_months": pa.array([12 + i if i % 3 else None for i in range(ROWS)], pa.int32()),
        "closed_on": pa.array([None] * ROWS, pa.date32()),
        "_loaded_at": pa.array([datetime(2026, 1, 1, 2)] * ROWS, pa.timestamp("us")),
    }
)
# Options of real writers: with and without dictionaries, compression and Arrow's schema, both page versions.
WRITERS = {
    "plain": {"use_dictionary": False, "compression": "none", "store_schema": False},
    "pandas": {},
    "second pages": {"data_page_version": "2.0", "use_dictionary": False, "store_decimal_as_integer": True,
                     "store_schema": False},
    "two groups": {"row_group_size": 6, "store_schema": False},
    "no statistics": {"write_statistics": False, "compression": "none"},
}  # fmt: skip


def read(path: Path, connection: duckdb.DuckDBPyConnection) -> tuple[pa.Table, bool]:
    """What would land from a file, and whether it is proven. Values outside their contract type are refused too."""
    source = open_source(connection, (intake.Taken("accounts.parquet", path, ""),), TABLES["accounts"])
    taken = {name: type_ for name, type_ in TABLES["accounts"].columns.items() if name in source.columns}
    wrong = " or ".join(casts.misread(name, type_, source.types[name]) for name, type_ in taken.items())
    values = ", ".join(f"{casts.parsed(name, type_, source.types[name])} as {name}" for name, type_ in taken.items())
    try:
        found = connection.sql(f"select {values}, {wrong} as is_wrong from {source.sql}").to_arrow_table()
    except duckdb.Error as error:
        raise NightbookError("cannot be read") from error
    if True in found["is_wrong"].to_pylist():
        raise NightbookError("misread")
    return found.drop_columns(["is_wrong"]), source.is_verified


def outcomes(path: Path, flips: Iterable[tuple[int, int]]) -> dict[str, int]:
    """Count the outcomes of a file with one flipped bit at each given place. No other value may land as proven."""
    connection = duckdb.connect()
    whole, _ = read(path, connection)
    content = path.read_bytes()
    counted = {"refused": 0, "the same": 0, "unproven": 0}
    for at, bit in flips:
        flipped = bytearray(content)
        flipped[at] ^= 1 << bit
        path.write_bytes(flipped)
        try:
            found, is_verified = read(path, connection)
        except NightbookError as error:
            assert "\n" not in str(error)
            counted["refused"] += 1
            # Some damage makes a connection unusable.
            connection = duckdb.connect()
            continue
        if found.equals(whole):
            counted["the same"] += 1
        else:
            assert not is_verified, f"bit {bit} of byte {at} of {len(content)} landed other values as proven"
            counted["unproven"] += 1
    assert counted["refused"]
    return counted


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("has_checksums", [True, False])
def test_no_flipped_byte_lands_as_a_proven_value(tmp_path, writer, has_checksums):
    """Flips bits of every page, its header and the footer, chosen by a seed: refused, the same values, or unproven."""
    path = tmp_path / "accounts.parquet"
    pq.write_table(ACCOUNTS, path, write_page_checksum=has_checksums, **WRITERS[writer])
    assert read(path, duckdb.connect())[1] == has_checksums
    size = path.stat().st_size
    random = np.random.default_rng(size)
    counted = outcomes(path, ((at, random.integers(8)) for at in sorted(random.choice(size, 40, replace=False))))
    if writer == "no statistics" and not has_checksums:
        assert counted["unproven"], "the seed finds no flip that nothing gives away: take another"


@pytest.mark.parametrize("column", ["_loaded_at", "credit_limit"])
def test_no_flipped_bit_of_what_a_column_is_lands_as_a_proven_value(tmp_path, column):
    """Checksums cover pages only. A flipped footer bit turns nanoseconds into microseconds, or a sum into cents."""
    path = tmp_path / "accounts.parquet"
    options = {"store_decimal_as_integer": True, "store_schema": False}
    pq.write_table(ACCOUNTS, path, write_page_checksum=True, **options)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    end = content.index(column.encode(), footer) + len(column)
    # Physical type and repetition come before the name, the logical type after it.
    places = [*range(end - len(column) - 6, end - len(column)), *range(end, end + 12)]
    outcomes(path, ((at, bit) for at in places for bit in range(8)))


def flip(path: Path, old: bytes, new: bytes) -> None:
    """Change a value inside a page: its first occurrence, because the page header has no statistics."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"write_page_checksum": True}, "accounts.parquet cannot be read: could not verify page integrity|checksum"),
        ({}, "column customer_id holds other values than the footer says of row group 0"),
    ],
)
def test_another_customers_id_does_not_land(folder, option, message):  # noqa: F811
    """The last customer's id becomes an unknown one. Without checksums, the footer's statistics reveal it."""
    (folder / "accounts.csv").unlink()
    path = folder / "accounts.parquet"
    pq.write_table(ACCOUNTS, path, use_dictionary=False, compression="none", write_page_index=True, **option)
    flip(path, b"C006", b"C0v6")
    with pytest.raises(NightbookError, match=message):
        land_files(folder, NOW)


def test_what_nothing_proves_is_said_with_rows_and_keys(folder):  # noqa: F811
    (folder / "accounts.csv").unlink()
    pq.write_table(ACCOUNTS, folder / "accounts.parquet", write_page_checksum=True)
    (note,) = land_files(folder, NOW).notes
    assert note.startswith("no checksums: the bytes of customers.csv (rows 1, keys 1), loan_serv")
    assert "accounts" not in note and "put a SHA256SUMS beside the files" in note


def test_statistics_that_lie_hide_no_value(folder):  # noqa: F811
    """A reader that trusts the footer would not look for negative amounts."""
    content = ACCOUNTS.set_column(4, "credit_limit", pa.array([7001 + i for i in range(ROWS)], pa.int64()))
    path = folder / "accounts.parquet"
    (folder / "accounts.csv").unlink()
    pq.write_table(content, path, use_dictionary=False, compression="none", write_page_index=True)
    flip(path, (7003).to_bytes(8, "little"), (-7003).to_bytes(8, "little", signed=True))
    assert "column credit_limit holds other values" in refused(folder)
    sums(folder)
    assert "accounts.parquet row 3: credit_limit is -7003, which is below zero" in refused(folder)


def test_a_claim_of_a_thousand_million_rows_is_refused(folder):  # noqa: F811
    path = to_parquet(folder, "accounts", "accounts.parquet")
    table = pq.read_table(path)
    pq.write_table(table, path, write_statistics=False)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    # The row count follows the list of columns: field 3, a 64-bit integer. Two rows are 0x04 in zigzag.
    at = content.index(b"\x16\x04\x19\x1c", footer)
    grown = content[: at + 1] + b"\x80\xa8\xd6\xb9\x07" + content[at + 2 : -8]
    path.write_bytes(grown + (len(grown) - footer).to_bytes(4, "little") + b"PAR1")
    assert "accounts.parquet is damaged: its footer says 1,000,000,000 rows" in refused(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-20] + b[-4:] + b"PAR1", "accounts.parquet cannot be read: "),
        (lambda b: b[:-8] + b"\xff\xff\xff\x7fPAR1", "accounts.parquet cannot be read: "),
        (lambda b: b[: len(b) // 2], "accounts.parquet cannot be read: "),
        (lambda b: b[:-4] + b"PARE", "accounts.parquet cannot be read: "),
        (lambda b: b"PARE" + b[4:-4] + b"PARE", "accounts.parquet is encrypted: decrypt it first"),
        (lambda b: b"", "accounts.parquet is empty (0 bytes)"),
        (lambda b: b"PAR1PAR1", "accounts.parquet cannot be read: "),
    ],
)
def test_a_damaged_footer_is_one_line(folder, damage, message):  # noqa: F811
    path = to_parquet(folder, "accounts", "accounts.parquet")
    path.write_bytes(damage(path.read_bytes()))
    assert message in refused(folder)


# A list of digests beside the files


def sums(directory: Path, *more: str, without: str = "") -> None:
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in (intake.SUMS, without))
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(directory)}" for f in files]
    (directory / intake.SUMS).write_text("\n".join(["# of the sender", *lines, *more]) + "\n")


def test_files_that_a_list_vouches_for_land_without_a_word(folder):  # noqa: F811
    to_parquet(folder, "accounts", "accounts/1.parquet")
    sums(folder)
    assert land_files(folder, NOW).notes == ()


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (lambda f: put(f, "payments", 1, "50", "51"), "payments.csv does not have the digest in SHA256SUMS"),
        (lambda f: sums(f, without="payments.csv"), "payments.csv is not in SHA256SUMS, which must list every file"),
        (lambda f: (f / "payments.csv").unlink(), "payments.csv is in SHA256SUMS but not in the folder"),
        (lambda f: sums(f, "nonsense"), "SHA256SUMS line 8 is not a digest and a file"),
        (lambda f: sums(f, "0" * 64 + " *payments.csv"), "SHA256SUMS line 8: payments.csv is already listed"),
        (lambda f: (f / "SHA256SUMS").write_text(""), "SHA256SUMS lists no file"),
        (lambda f: (f / "SHA256SUMS").write_bytes(b"\xff\xfe"), "SHA256SUMS is not UTF-8 text"),
        (lambda f: (f / "SHA256SUMS").unlink() or os.mkfifo(f / "SHA256SUMS"), "SHA256SUMS is a pipe"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(folder, plant, message):  # noqa: F811
    sums(folder)
    plant(folder)
    assert message in refused(folder)


# After landing


def landed() -> Path:
    land_synthetic(20, months=2, applications=1)
    (load,) = home.landing().iterdir()
    return load


def check(thorough: bool = False) -> str:
    """The message of dbt, or of `verify-audit`, about changed files. Empty if nothing changed."""
    try:
        if not thorough:
            dbt_plugin.Plugin.initialize(None, {})
        else:
            with duckdb.connect(str(home.warehouse()), read_only=True) as warehouse:
                ledger.check_views(warehouse)
                ledger.check(warehouse, thorough=True)
    except (RuntimeError, NightbookError) as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


def test_landed_pages_have_checksums_and_a_manifest_has_every_file(folder):  # noqa: F811
    load = landed()
    land_files(folder, NOW)
    for part in home.landing().rglob("*.parquet"):
        assert pages.verify(part, part.name, set(TABLES[part.parent.name].columns)), part
    manifest, _ = ledger._manifest(load)
    assert manifest["rows"] == {name: store._rows(load)[name] for name in TABLES}
    assert {name: one["sha256"] for name, one in manifest["files"].items()} == {
        str(part.relative_to(load)): hashlib.sha256(part.read_bytes()).hexdigest() for part in load.rglob("*.parquet")
    }
    files, _ = ledger._manifest(next(home.landing().glob("files-*")))
    assert files["keys"] == {name: len(lines) - 1 for name, lines in GOOD.items()}
    assert set(files["sources"]) == {f"{name}.csv" for name in GOOD}
    assert not check() and not check(thorough=True)


def rewritten(load: Path) -> None:
    part = load / "accounts" / "part-00000.parquet"
    flipped = bytearray(part.read_bytes())
    flipped[len(flipped) // 3] ^= 1
    part.write_bytes(flipped)


def rewritten_and_dated_back(load: Path) -> None:
    before = (load / "accounts" / "part-00000.parquet").stat()
    rewritten(load)
    os.utime(load / "accounts" / "part-00000.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))


def manifest_with_it(load: Path) -> None:
    rewritten(load)
    manifest, _ = ledger._manifest(load)
    ledger.write(load, load.name, manifest["rows"], None)


def without_ledger(load: Path) -> None:
    rewritten(load)
    with duckdb.connect(str(home.warehouse())) as warehouse:
        warehouse.execute(f"drop table {ledger.RELATION}")


def emptied_ledger(load: Path) -> None:
    with duckdb.connect(str(home.warehouse())) as warehouse:
        warehouse.execute(f"delete from {ledger.RELATION}")


TAMPERED = {
    "a byte": (rewritten, "part-00000.parquet was changed after it landed"),
    "a byte, dated back": (rewritten_and_dated_back, "part-00000.parquet was changed after it landed"),
    "manifest too": (manifest_with_it, "manifest.json was changed after the load landed"),
    "a part more": (lambda load: shutil.copy(load / "accounts/part-00000.parquet", load / "accounts/x.parquet"),
                    "accounts/x.parquet was added after the load landed"),
    "a part less": (lambda load: (load / "payments/part-00000.parquet").unlink(), "part-00000.parquet is missing"),
    "no manifest": (lambda load: (load / "manifest.json").unlink(), "manifest.json is missing or cannot be read"),
    "no ledger": (without_ledger, "operations.loads no longer has a record of this load"),
    "emptied ledger": (emptied_ledger, "operations.loads no longer has a record of this load"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "message"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_changed_after_landing_is_refused(plant, message):
    load = landed()
    assert not check()
    plant(load)
    assert message in check() and message in check(thorough=True)


def test_a_changed_load_can_be_landed_again(folder, query):  # noqa: F811
    first = land_files(folder, NOW)
    rewritten(home.landing() / first.load_id)
    assert check()
    land_files(folder, NOW)
    assert not check(thorough=True) and query("select count(*) from raw.accounts") == [(2,)]


def test_another_load_is_not_landed_over_a_changed_one(folder, query):  # noqa: F811
    load = landed()
    before = query("select sql from duckdb_views() where schema_name = 'raw'")
    rewritten(load)
    with pytest.raises(NightbookError, match="was changed after it landed"):
        land_files(folder, NOW)
    assert list(home.landing().iterdir()) == [load]
    assert query("select sql from duckdb_views() where schema_name = 'raw'") == before


def test_a_file_that_was_only_touched_or_copied_is_hashed_and_taken(monkeypatch):
    load = landed()
    part = load / "accounts" / "part-00000.parquet"
    shutil.copy(part, load.parent.parent / "aside")
    os.replace(load.parent.parent / "aside", part)
    hashed = []
    monkeypatch.setattr(ledger, "_sha256", lambda path, whole=ledger._sha256: hashed.append(path) or whole(path))
    assert not check() and hashed == [part]
    assert not check() and hashed == [part]


def test_loads_of_a_version_that_kept_no_digests_are_taken_as_they_lie(folder):  # noqa: F811
    load = landed()
    (load / ledger.MANIFEST).unlink()
    with duckdb.connect(str(home.warehouse())) as warehouse:
        warehouse.execute(f"drop table {ledger.RELATION}")
    assert not check()
    notes = land_files(folder, NOW).notes
    assert (
        f"{load.name} landed before digests were kept: it is compared with its files as they were when first recorded"
        in notes
    )
    rewritten(load)
    assert "was changed after it landed" in check()


def test_a_folder_that_nobody_landed_is_refused(folder):  # noqa: F811
    load = landed()
    shutil.copytree(load, home.landing() / "planted", ignore=shutil.ignore_patterns(ledger.MANIFEST))
    with pytest.raises(NightbookError, match=r"planted has no manifest.json: it was not landed here"):
        land_files(folder, NOW)


def test_what_a_killed_reader_copied_goes_away():
    left = home.home() / ".spill-left" / "copies"
    left.mkdir(parents=True)
    with engine():
        assert not left.exists()
