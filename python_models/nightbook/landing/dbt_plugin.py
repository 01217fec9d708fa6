"""What dbt-duckdb loads for every dbt command: who holds the warehouse, and whether landed files are as they landed."""

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from nightbook.engine import home, messages
from nightbook.errors import NightbookError
from nightbook.landing import ledger


class Plugin(BasePlugin):
    """Looks at the warehouse before dbt opens it."""

    def initialize(self, plugin_config: dict) -> None:
        """Open the warehouse once, and hold the landed files against the ledger.

        Raises:
            RuntimeError: it cannot be opened, or a file was changed; dbt-duckdb reports a connection that failed.
        """
        if not home.warehouse().exists():
            return
        try:
            with duckdb.connect(str(home.warehouse())) as warehouse:
                ledger.check_views(warehouse)
                ledger.check(warehouse)
        except duckdb.Error as error:
            raise RuntimeError(messages.one_line(str(error))) from error
        except NightbookError as error:
            raise RuntimeError(str(error)) from error
