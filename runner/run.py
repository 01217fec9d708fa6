"""One run of a cadence: stage the library on Snowflake, build, and send the events."""

from dataclasses import replace
from pathlib import Path

from nightbook.engine import home
from runner import dbt_build


def cadence(selector: str, title: str) -> dbt_build.Build:
    """Build a selector of the project (nightly, weekly or training_need) and send its OpenLineage events.

    Raises:
        NightbookError: as `dbt_build.build`, or the library cannot be staged.
    """
    if home.is_account():
        from runner import snowflake_stage

        snowflake_stage.stage([selector])
    from runner import openlineage

    try:
        built = dbt_build.build(selector, title)
    except dbt_build.Failed:
        openlineage.tell(Path.cwd())
        raise
    undelivered = openlineage.tell(Path.cwd())
    return replace(built, warnings=(*built.warnings, undelivered)) if undelivered else built
