"""A dbt-duckdb plugin that runs before every dbt command.

Is the warehouse free, does it read this home, and are the landed files unchanged?
"""

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from nightbook.engine import home, messages, moved
from nightbook.errors import NightbookError
from nightbook.landing import ledger


class Plugin(BasePlugin):
    """Checks the warehouse before dbt opens it."""

    def initialize(self, plugin_config: dict) -> None:
        """Open the warehouse once, and compare the landed files with the load ledger.

        Raises:
            RuntimeError: it cannot be opened, or a file was changed. dbt-duckdb reports this as a failed connection.
        """
        if not home.warehouse().exists():
            return
        try:
            with duckdb.connect(str(home.warehouse())) as warehouse:
                moved.settle(warehouse)
                ledger.check_views(warehouse)
                ledger.check(warehouse)
        except duckdb.Error as error:
            raise RuntimeError(messages.one_line(str(error))) from error
        except NightbookError as error:
            raise RuntimeError(str(error)) from error
