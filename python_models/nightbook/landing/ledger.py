"""The load ledger, which detects files that changed after they landed.

`<load>/manifest.json` holds size and SHA-256 of every file. `operations.loads` in the warehouse holds the manifest's
own SHA-256. It also holds each file's inode, size and times from when it was last hashed. While these stay the same,
the file counts as unchanged; otherwise it is hashed again. `verify-audit` hashes every file.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from nightbook.engine import home, moved
from nightbook.errors import NightbookError
from nightbook.landing.contract import TABLES

MANIFEST = "manifest.json"
RELATION = "operations.loads"
_READ_BY_A_VIEW = re.compile(r"'((?:[^']|'')*)/accounts/\*\.parquet'")
# Marks a manifest that was written after the load had landed, because an older version kept none.
LATE = "noted_late"
_COLUMNS = (
    "load_id varchar, landed_at timestamp, rows_by_table varchar, last_snapshot date, folder varchar,"
    " manifest_digest varchar, seen varchar"
)


def write(folder: Path, load_id: str, rows: Mapping[str, int], about: Mapping | None) -> None:
    """Write the manifest of a complete load.

    Args:
        folder: the load's folder, under any name.
        load_id: the load's name.
        rows: row count by landing table.
        about: its origin: keys by table, SHA-256 of each source file.
    """
    files = {name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for name, path in _files(folder).items()}
    manifest = {"load_id": load_id, "rows": dict(rows), **(about or {}), "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def is_there(warehouse: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse has a ledger."""
    return bool(
        warehouse.execute(
            "select 1 from duckdb_tables() where schema_name || '.' || table_name = ?"
            " and database_name = current_database()",
            [RELATION],
        ).fetchall()
    )


def enter(warehouse: duckdb.DuckDBPyConnection, load: Path, last_snapshot: date | None) -> None:
    """Record a load whose files match its manifest. An older record under its name is replaced.

    Args:
        warehouse: where the ledger is.
        load: the load's folder.
        last_snapshot: its latest snapshot.

    Raises:
        NightbookError: a file does not match the manifest.
    """
    warehouse.execute("create schema if not exists operations")
    warehouse.execute(f"create table if not exists {RELATION} ({_COLUMNS})")
    manifest, digest = _manifest(load)
    seen = _checked(load, manifest, {})
    warehouse.execute(f"delete from {RELATION} where load_id = ?", [load.name])
    landed_at = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    # Only its name in the home, because a home can be moved. Older homes have the whole path, which nobody reads.
    folder = f"landing/{load.name}"
    values = [load.name, landed_at, json.dumps(manifest["rows"]), last_snapshot, folder, digest, json.dumps(seen)]
    warehouse.execute(f"insert into {RELATION} values (?, ?, ?, ?, ?, ?, ?)", values)


def recorded(warehouse: duckdb.DuckDBPyConnection) -> dict[str, dict]:
    """Folder, manifest digest and file stamps of each load, by its name. Empty without a ledger."""
    if not is_there(warehouse):
        return {}
    found = warehouse.execute(f"select load_id, manifest_digest, seen from {RELATION} order by load_id")
    return {
        load_id: {"folder": home.landing() / load_id, "digest": digest, "seen": json.loads(seen)}
        for load_id, digest, seen in found.fetchall()
    }


def forget(warehouse: duckdb.DuckDBPyConnection, load_id: str) -> None:
    """Remove a load from the ledger."""
    warehouse.execute(f"delete from {RELATION} where load_id = ?", [load_id])


def is_late(load: Path) -> bool:
    """Whether the manifest was written only after the load had landed."""
    return bool(_manifest(load)[0].get(LATE))


def is_whole(load: Path) -> bool:
    """Whether every file of a load matches its manifest. True if it has no manifest."""
    try:
        return not (load / MANIFEST).exists() or bool(_checked(load, _manifest(load)[0], {}))
    except NightbookError:
        return False


def check(warehouse: duckdb.DuckDBPyConnection, thorough: bool = False, besides: str | None = None) -> int:
    """Compare the files of every recorded load with its manifest.

    Args:
        warehouse: where the ledger is. If it can be written, new file stamps are stored there.
        thorough: hash every file, whatever its stamp says.
        besides: a load that is about to be replaced.

    Returns:
        The number of files.

    Raises:
        NightbookError: a file was changed, removed or added after it had landed, or the ledger was removed.
    """
    count = 0
    for load_id, load in recorded(warehouse).items():
        if load_id == besides:
            continue
        manifest, digest = _manifest(load["folder"])
        if digest != load["digest"]:
            raise _changed(load["folder"], MANIFEST, "was changed after the load landed")
        seen = _checked(load["folder"], manifest, {} if thorough else load["seen"])
        if seen != load["seen"] and not _is_read_only(warehouse):
            warehouse.execute(f"update {RELATION} set seen = ? where load_id = ?", [json.dumps(seen), load_id])
        count += len(seen)
    return count


def check_views(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Check that schema raw reads only recorded loads, unless an older version without a ledger landed them.

    Raises:
        NightbookError: the record of a load was removed.
    """
    known = {load["folder"].resolve() for load in recorded(warehouse).values()}
    views = warehouse.execute(
        "select sql from duckdb_views() where schema_name = 'raw' and view_name = 'accounts'"
    ).fetchall()
    for (sql,) in views:
        for load in map(moved.folder, _READ_BY_A_VIEW.findall(sql)):
            if load.resolve() not in known and (known or (load / MANIFEST).exists()):
                raise NightbookError(
                    f"{load}: {RELATION} no longer has a record of this load, so somebody removed it; `land` records "
                    "it again"
                )


def _manifest(load: Path) -> tuple[dict, str]:
    try:
        content = (load / MANIFEST).read_bytes()
        manifest = json.loads(content)
        manifest["rows"].items(), manifest["files"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _changed(load, MANIFEST, "is missing or cannot be read") from error
    return manifest, hashlib.sha256(content).hexdigest()


def _checked(load: Path, manifest: dict, seen: Mapping[str, str]) -> dict[str, str]:
    """The stamp of each file, after checking that the file matches the manifest."""
    there = _files(load)
    for name in manifest["files"].keys() - there.keys():
        raise _changed(load, name, "is missing")
    for name in there.keys() - manifest["files"].keys():
        raise _changed(load, name, "was added after the load landed")
    stamps = {}
    for name, path in there.items():
        stamps[name] = _stamp(path)
        if seen.get(name) != stamps[name] and _sha256(path) != manifest["files"][name]["sha256"]:
            raise _changed(load, name, "was changed after it landed")
    return stamps


def _files(load: Path) -> dict[str, Path]:
    """What the views of schema raw read of a load: every `.parquet` in the folder of a table."""
    return {f"{name}/{path.name}": path for name in TABLES for path in sorted((load / name).glob("*.parquet"))}


def _stamp(path: Path) -> str:
    found = path.lstat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_read_only(warehouse: duckdb.DuckDBPyConnection) -> bool:
    found = warehouse.execute("select readonly from duckdb_databases() where database_name = current_database()")
    [(is_read_only,)] = found.fetchall()
    return bool(is_read_only)


def _changed(load: Path, name: str, what: str) -> NightbookError:
    return NightbookError(f"{load / name} {what}: restore it, or remove {load.name} and land it again")
