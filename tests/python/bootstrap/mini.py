"""dbt on the project of the folder that it is started in, by a process that has imported it already (`warm`)."""

from dbt.cli.main import cli

cli()
