"""dbt on the project in the current folder, in a process that has already imported dbt (`warm`)."""

from dbt.cli.main import cli

cli()
