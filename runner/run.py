"""One run of a cadence: the library staged where an account runs it, the build, and the events that tell of it."""

from dataclasses import replace
from pathlib import Path

from nightbook.engine import home
from runner import dbt_build, openlineage


def cadence(selector: str, title: str) -> dbt_build.Build:
    """Build what a selector of the project names, nightly, weekly or training_need, and tell receivers of events.

    Raises:
        NightbookError: as `dbt_build.build`; or the library cannot be staged.
    """
    if home.is_account():
        from runner import snowflake_stage

        snowflake_stage.stage([selector])
    try:
        built = dbt_build.build(selector, title)
    except dbt_build.Failed:
        openlineage.tell(Path.cwd())
        raise
    undelivered = openlineage.tell(Path.cwd())
    return replace(built, warnings=(*built.warnings, undelivered)) if undelivered else built
