"""A home that was moved or copied: the views of schema `raw` name absolute paths, and are pointed at the home again."""

import re
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from nightbook.engine import home, messages
from nightbook.errors import NightbookError

# Not installed beside a Snowpark session.
if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What `land` writes. A view over a lake of the user's own has no such path, and is left alone.
_LANDED = re.compile(r"'((?:[^']|'')*)/landing/([^'/]+)/(\w+)/\*\.parquet'")


def has(warehouse: "DuckDBPyConnection") -> bool:
    """Whether a view of schema `raw` reads the landing folder of another home."""
    return any(_elsewhere(sql) for sql in _views(warehouse))


def settle(warehouse: "DuckDBPyConnection") -> None:
    """Point the views of schema `raw` at this home's landing folder, all of them or none.

    Raises:
        NightbookError: a load that a view reads is not in this home, views read several homes, or the warehouse cannot
            be written.
    """
    landed = [sql for sql in _views(warehouse) if _LANDED.search(sql)]
    views = [sql for sql in landed if _elsewhere(sql)]
    if not views:
        return
    homes = {found[0] for sql in landed for found in _LANDED.findall(sql)}
    if len(homes) > 1:
        named = " and ".join(sorted(str(folder(one)) for one in homes))
        raise NightbookError(f"views of schema raw read {named}: somebody changed them. `land` creates them again")
    for _, load_id, table in (found for sql in views for found in _elsewhere(sql)):
        there = home.landing() / folder(load_id) / table
        if not list(there.glob("*.parquet")):
            raise NightbookError(
                f"{there}: this home was moved or copied without these files: copy the whole folder of the home"
            )
    import duckdb

    here = escape(str(home.home())).replace("'", "''")
    try:
        warehouse.execute("begin")
        for sql in views:
            pointed = _LANDED.sub(lambda found: f"'{here}/landing/{found[2]}/{found[3]}/*.parquet'", sql)
            warehouse.execute(pointed.replace("CREATE VIEW", "create or replace view", 1))
        warehouse.execute("commit")
    except duckdb.Error as error:
        raise NightbookError(messages.one_line(str(error))) from error


def _views(warehouse: "DuckDBPyConnection") -> list[str]:
    found = warehouse.execute(
        "select sql from duckdb_views() where schema_name = 'raw' and database_name = current_database()"
    )
    return [sql for (sql,) in found.fetchall() if "hive_partitioning" in sql]


def _elsewhere(sql: str) -> list[tuple[str, str, str]]:
    """Home, load and table of each path that is in another home. A link to this home leads here."""
    return [found for found in _LANDED.findall(sql) if not is_here(folder(found[0]))]


def is_here(path: Path) -> bool:
    """Whether a folder is the home, by any of its names."""
    return path == home.home() or path.resolve() == home.home().resolve()


def folder(written: str) -> Path:
    """The folder that a view names: a text of SQL, in which glob.escape marked the characters of a pattern."""
    return Path(re.sub(r"\[([*?[])\]", r"\1", written.replace("''", "'")))
