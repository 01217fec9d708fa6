"""Where loads are stored: files in the home for DuckDB, or tables of a Snowflake account. The target decides."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from nightbook.engine import home
from nightbook.landing import snowflake_store, store
from nightbook.landing.store import Load

STANDS = "this had already landed: nothing was written"


def incoming(load_id: str, alone: bool, about: Mapping | None = None) -> AbstractContextManager[Path]:
    """Yield a temporary folder that becomes the load when the block ends, and is deleted if the block raises.

    Args:
        load_id: the load's name.
        alone: refuse a place that holds any other load.
        about: the origin of the load, for its manifest. On Snowflake there is no manifest.

    Raises:
        NightbookError: another lender's load or rows of another loader are there, or a write is refused.
    """
    return snowflake_store.incoming(load_id, alone) if home.is_account() else store.incoming(load_id, alone, about)


def stands(load_id: str) -> bool:
    """Whether the load is there and will not be replaced. On Snowflake, landed rows are never removed."""
    return home.is_account() and snowflake_store.holds(load_id)


def holds(load_id: str) -> bool:
    """Whether the load is there."""
    return _keeper().holds(load_id)


def describe(load_id: str, notes: tuple[str, ...] = ()) -> Load:
    """What an existing load holds."""
    return _keeper().describe(load_id, notes)


def refresh_views() -> None:
    """Point schema raw at the files. Snowflake has none."""
    if not home.is_account():
        store.refresh_views()


def _keeper() -> ModuleType:
    return snowflake_store if home.is_account() else store
