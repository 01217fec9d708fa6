"""Edges between columns, read off SQL and off declarations."""

import pytest
from nightbook import lineage
from nightbook.errors import NightbookError
from nightbook.lineage import AGGREGATION, IDENTITY, INDIRECT, TRANSFORMATION

COLUMNS = {
    "raw.a": ["id", "x", "y"],
    "raw.b": ["id", "z", "low", "high"],
    "out.t": ["id", "v", "w"],
}


def edges(sql: str) -> set[tuple]:
    return {
        (edge.from_relation, edge.from_column, edge.to_column, edge.transformation)
        for edge in lineage.of_sql(sql, "out.t", COLUMNS)
    }


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select id, x as v from w.raw.a", {("raw.a", "id", "id", IDENTITY), ("raw.a", "x", "v", IDENTITY)}),
        ("with c as (select * exclude (y) from raw.a) select x + 1 as v from c",
         {("raw.a", "x", "v", TRANSFORMATION)}),
        ("with c as (select id, max(x) as v from raw.a group by id) select id, v from c",
         {("raw.a", "id", "id", IDENTITY), ("raw.a", "x", "v", AGGREGATION)}),
        ("select x as v from raw.a union all select z from raw.b",
         {("raw.a", "x", "v", IDENTITY), ("raw.b", "z", "v", IDENTITY)}),
        ("select (select max(z) from raw.b) as v from raw.a", {("raw.b", "z", "v", AGGREGATION)}),
        ("select id, v from (select id, x as v from raw.a) join raw.b using (id)",
         {("raw.a", "id", "id", TRANSFORMATION), ("raw.b", "id", "id", TRANSFORMATION), ("raw.a", "x", "v", IDENTITY)}),
        ("select 1 as v from raw.a where y > 0", {("raw.a", "y", "v", INDIRECT)}),
        ("select 'r' as v from (select id from raw.a)", {("raw.a", "id", "v", INDIRECT)}),
        ("select b.z as v from raw.a left join raw.b on a.x >= b.low and a.x < b.high",
         {("raw.b", "z", "v", IDENTITY), ("raw.a", "x", "v", INDIRECT)}),
        ("select x as v, y as unknown_there from raw.a", {("raw.a", "x", "v", IDENTITY)}),
        ("with recursive r as (select id as v from raw.a union all select v + 1 from r where v < 9) select v from r",
         {("raw.a", "id", "v", IDENTITY)}),
    ],
)  # fmt: skip
def test_sql(sql, expected):
    assert edges(sql) == expected


@pytest.mark.parametrize("sql", ["select from where", "select (1 as v from raw.a"])
def test_sql_that_cannot_be_followed_is_named(sql):
    with pytest.raises(NightbookError, match=r"out\.t: its SQL cannot be read for lineage"):
        edges(sql)


def node(relation: str, sql: str | None, **more) -> dict:
    name = relation.split(".")[1]
    kind = "seed" if sql is None else "model"
    told = {"name": name, "relation": relation, "kind": kind, "tags": ["t"], "declared": None, "engine": "duckdb"}
    return told | {"sql": sql} | more


NODES = [
    node("mid.m", "select id, x + y as x from raw.a"),
    node("out.t", "select id, x as v from mid.m"),
    node("out.other", "this is never read"),
    node("mid.seed", None),
]
UPSTREAM = COLUMNS | {"mid.m": ["id", "x"], "out.other": ["id"], "mid.seed": ["id"]}


def test_upstream_is_what_a_relation_is_made_of_and_nothing_else():
    found = lineage.of_upstream(NODES, UPSTREAM, set(), ["out.t"])
    assert {(edge.from_relation, edge.from_column, edge.to_relation, edge.to_column) for edge in found} == {
        ("mid.m", "id", "out.t", "id"),
        ("mid.m", "x", "out.t", "v"),
        ("raw.a", "id", "mid.m", "id"),
        ("raw.a", "x", "mid.m", "x"),
        ("raw.a", "y", "mid.m", "x"),
    }


def test_what_was_not_compiled_is_not_taken_for_made_of_nothing():
    nodes = [NODES[0] | {"sql": None}, *NODES[1:]]
    with pytest.raises(NightbookError, match=r"^mid\.m: its SQL was not compiled, .*build the whole cadence"):
        lineage.of_upstream(nodes, UPSTREAM, set(), ["out.t"])


def test_what_was_read_upstream_is_not_read_again():
    upstream = lineage.of_upstream(NODES, UPSTREAM, set(), ["out.t"])
    read = {"out.t": upstream[:2], "mid.m": upstream[2:]}
    unread = [one | {"sql": "no sql at all"} if one["relation"] in read else one for one in NODES[:2]]
    assert set(lineage.of_project(unread, UPSTREAM, set(), "t", read)) == set(upstream)
    with pytest.raises(NightbookError, match=r"mid\.m: its SQL cannot be read"):
        lineage.of_project(unread, UPSTREAM, set(), "t", {"out.t": upstream[:2]})


RELATIONS = {"a": "raw.a", "t": "out.t"}


def declared(*entries: dict) -> set[tuple]:
    found = lineage.of_declaration(entries, "out.t", COLUMNS, RELATIONS, {"x"})
    return {(edge.from_relation, edge.from_column, edge.to_relation, edge.to_column) for edge in found}


def test_declarations():
    assert declared({"to": ["id"], "from": {"a": "*"}, "by": IDENTITY}) == {("raw.a", "id", "out.t", "id")}
    assert declared({"to": ["v"], "from": {"a": "inputs"}, "by": TRANSFORMATION}) == {("raw.a", "x", "out.t", "v")}
    assert declared({"from": {"models:/m": ["version"]}, "by": TRANSFORMATION}) == {
        ("models:/m", "version", "out.t", name) for name in COLUMNS["out.t"]
    }
    assert declared({"into": "models:/m", "to": ["version"], "from": {"a": ["y"]}, "by": AGGREGATION}) == {
        ("raw.a", "y", "models:/m", "version")
    }


@pytest.mark.parametrize("source", [{"nobody": ["x"]}, {"a": ["gone"]}])
def test_a_declaration_of_what_does_not_exist_is_refused(source):
    with pytest.raises(NightbookError, match=r"out\.t: lineage declared from"):
        declared({"to": ["v"], "from": source, "by": IDENTITY})
