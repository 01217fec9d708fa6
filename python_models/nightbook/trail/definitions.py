"""Check that DuckDB's functions and views are the project's own. Replaced ones could show each reader something else.

On Snowflake, privileges keep readers from creating either.
"""

import re
from collections.abc import Mapping

import duckdb

from nightbook.engine import warehouse
from nightbook.engine.warehouse import Query, has
from nightbook.errors import NightbookError

# Views that show the trail, by schema.
_VIEWS = {
    "audit": ("fct_audit_log", "fct_lineage_edges", "fct_model_versions", "fct_promotions", "fct_runs"),
    "fairness": ("fct_fairness",),
    "marts": ("fct_score_partitions", "rpt_regulatory_features"),
}


def check_functions(query: Query) -> None:
    """Check that nobody added a function to the warehouse. SQL that compares or scores could call it by mistake.

    Raises:
        NightbookError: there is one.
    """
    for row in query(
        "select schema_name, function_name from system.main.duckdb_functions() where not internal order by all limit 1"
    ):
        raise NightbookError(
            f"{row['schema_name']}.{row['function_name']} is a function that somebody added to the warehouse. It"
            " may replace a function of the engine: drop it"
        )


def check_columns(query: Query) -> None:
    """Check that no column is computed at reading, because it could depend on the reader.

    No column may have the name of the database either. Views are compared without that name, so such a column could
    stand for a schema.

    Raises:
        NightbookError: there is one.
    """
    for row in query(
        "select table_schema, table_name, column_name, is_generated from information_schema.columns"
        " where table_catalog = current_database()"
        " and (is_generated = 'ALWAYS' or lower(column_name) = lower(current_database())) order by all limit 1"
    ):
        is_computed = row["is_generated"] == "ALWAYS"
        raise NightbookError(
            f"{row['table_schema']}.{row['table_name']}: column {row['column_name']} "
            + ("is computed when it is read, but runs write values" if is_computed else "has the name of the database")
            + ": the table was replaced; restore it from a backup"
        )


def check_views(connection: duckdb.DuckDBPyConnection, sql: Mapping[str, str]) -> None:
    """Check that each view is the project's SQL. A replaced view could depend on the reader.

    Args:
        connection: to the warehouse.
        sql: view name -> the project's SQL for it.

    Raises:
        NightbookError: names the first view that differs.
    """
    query = warehouse.query(connection)
    # dbt writes the database before a schema; DuckDB leaves out its own.
    text = (
        "select replace(regexp_replace(sql, '^CREATE (TEMP )?VIEW [^ ]+ AS ', ''), current_database() || '.', '')"
        " as says"
        " from system.main.duckdb_views() where"
    )
    for schema, views in _VIEWS.items():
        for name in views:
            standing = query(f"{text} schema_name = ? and view_name = ? and not temporary", [schema, name])
            if not standing and not has(query, schema, name):
                continue
            connection.execute(f"create or replace temp view as_written as ({sql[name]}\n)")
            written = query(f"{text} view_name = 'as_written' and temporary")
            connection.execute("drop view temp.as_written")
            if _in_order(standing) != _in_order(written):
                raise NightbookError(
                    f"{schema}.{name}: is not the view that this version of the project creates: it was replaced, or"
                    " another version created it; the next run creates it again"
                )


def _in_order(texts: list[dict]) -> list[str]:
    """Definitions of views with excluded columns sorted. DuckDB keeps them as a set and returns them in any order."""
    return [
        re.sub(r"EXCLUDE \(([^)]*)\)", lambda found: str(sorted(found[1].split(", "))), text["says"]) for text in texts
    ]
