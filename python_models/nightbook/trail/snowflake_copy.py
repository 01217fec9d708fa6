"""Fetch what a night depends on and what it wrote from a Snowflake account into DuckDB files."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa

from nightbook.engine import snowflake_connection, warehouse
from nightbook.landing.contract import TABLES
from nightbook.registry import record
from nightbook.trail import landed_rows, scored_nights
from nightbook.trail.scored_nights import Chosen, Night


def fetch(scratch: Path, night: Night, chosen: dict[str, Chosen] | None) -> None:
    """Fill the scratch warehouse with landed rows and the record, and another file with what is to be compared.

    Raises:
        NightbookError: Snowflake refuses.
    """
    with snowflake_connection.connected() as source:
        _fetch_raw(source, scratch, night, chosen)
        _fetch_record(source, scratch)
        _fetch_stored(source, scratch, night, chosen)


def file(scratch: Path) -> Path:
    """The file with what the night wrote."""
    return scratch / "book.duckdb"


def _fetch_raw(
    source: snowflake_connection.Account, scratch: Path, night: Night, chosen: dict[str, Chosen] | None
) -> None:
    there = _tables(source, "raw")
    conditions = {}
    if chosen is not None:
        picked = {kind: f"({keys.sql}) as chosen_{kind}" for kind, keys in chosen.items()}
        conditions = landed_rows.conditions(night, "raw", picked, lambda name, sql: f"({sql}) as {name}")
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        for name, table in TABLES.items():
            if name in there:
                of_chosen = conditions.get(name, "true")
                rows = f"raw.{name} where {landed_rows.known(night)} and ({of_chosen})"
                sql = f"select {', '.join(table.columns)} from {rows}"
                _fill(connection, f"raw.{name}", table.schema, source.batches(sql, table.schema))


def _tables(source: snowflake_connection.Account, schema: str) -> set[str]:
    return {
        row["name"]
        for row in source.rows(
            "select lower(table_name) as name from information_schema.tables where lower(table_schema) = ?", [schema]
        )
    }


def _fetch_record(source: snowflake_connection.Account, scratch: Path) -> None:
    """The record of versions, verdicts and promotions, without which nothing scores."""
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        for schema, table, _ in record.RELATIONS.values():
            if table in _tables(source, schema):
                sql = f"select * from {schema}.{table}"
                types = source.schema(sql)
                _fill(connection, f"{schema}.{table}", types, source.batches(sql, types))


def _fetch_stored(
    source: snowflake_connection.Account, scratch: Path, night: Night, chosen: dict[str, Chosen] | None
) -> None:
    with duckdb.connect(str(file(scratch))) as connection:
        for kind, relation, entity, _ in scored_nights.compared():
            of_chosen = f"{entity} in (select key from ({chosen[kind].sql}) as chosen)" if chosen else "true"
            sql = (
                f"select * from {relation} where as_of_date = date '{night.as_of_date}'"
                f" and run_id = {warehouse.literal(night.run['run_id'])} and {of_chosen}"
            )
            # In the stored types, so that a changed value is not rounded back to the right one.
            schema = source.schema(sql)
            _fill(connection, relation, schema, source.batches(sql, schema))


def _fill(connection: duckdb.DuckDBPyConnection, relation: str, schema: pa.Schema, batches: Iterator[pa.Table]) -> None:
    connection.execute(f"create schema if not exists {relation.partition('.')[0]}")
    connection.register("batch", schema.empty_table())
    connection.execute(f"create table {relation} as select * from batch")
    for batch in batches:
        connection.register("batch", batch)
        connection.execute(f"insert into {relation} select * from batch")
