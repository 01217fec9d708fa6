"""What dbt-duckdb loads for every dbt command: who holds the warehouse, in a line instead of a traceback."""

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from nightbook import builds, home


class Plugin(BasePlugin):
    """Looks at the warehouse before dbt opens it."""

    def initialize(self, plugin_config: dict) -> None:
        """Open the warehouse once.

        Raises:
            RuntimeError: it cannot be opened; what dbt-duckdb reports as a connection that failed.
        """
        if not home.warehouse().exists():
            return
        try:
            duckdb.connect(str(home.warehouse())).close()
        except duckdb.Error as error:
            raise RuntimeError(builds.one_line(str(error))) from error
