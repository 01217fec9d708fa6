"""Where loads go: files under the home that DuckDB reads, or tables of a Snowflake account; the target says which."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from nightbook.engine import home
from nightbook.landing import snowflake_store, store
from nightbook.landing.store import Load

STANDS = "this had landed before: nothing was written"


def incoming(load_id: str, alone: bool, about: Mapping | None = None) -> AbstractContextManager[Path]:
    """A temporary folder that becomes the load when the block ends, or vanishes when the block raises.

    Args:
        load_id: the load's name.
        alone: refuse a place that holds any other load.
        about: what is kept of the files that it was made of, in the load's manifest; an account keeps no manifest.

    Raises:
        NightbookError: another lender's load is there already, rows of another loader are, or a write is refused.
    """
    return snowflake_store.incoming(load_id, alone) if home.is_account() else store.incoming(load_id, alone, about)


def stands(load_id: str) -> bool:
    """Whether the load is there and would not be replaced: rows of an account are never taken away again."""
    return home.is_account() and snowflake_store.holds(load_id)


def holds(load_id: str) -> bool:
    """Whether the load is there."""
    return _keeper().holds(load_id)


def describe(load_id: str, notes: tuple[str, ...] = ()) -> Load:
    """What a load holds that is there."""
    return _keeper().describe(load_id, notes)


def refresh_views() -> None:
    """Point schema raw at the files, where there are files."""
    if not home.is_account():
        store.refresh_views()


def _keeper() -> ModuleType:
    return snowflake_store if home.is_account() else store
