"""Edges between columns, read from SQL and from declarations."""

from collections import defaultdict

import pytest
from nightbook.errors import NightbookError
from nightbook.lineage import builds, declarations, graph, queries
from nightbook.lineage.graph import AGGREGATION, IDENTITY, INDIRECT, TRANSFORMATION
from runner import openlineage

COLUMNS = {
    "raw.a": ["id", "x", "y"],
    "raw.b": ["id", "z", "low", "high"],
    "out.t": ["id", "v", "w"],
    # Rows of several models, separated by model_name.
    "raw.p": ["model_name", "k", "q"],
    "raw.r": ["model_name", "k", "s"],
    "out.m": ["model_name", "v"],
}


def edges(sql: str) -> set[tuple]:
    return {
        (edge.from_relation, edge.from_column, edge.to_column, edge.transformation)
        for edge in queries.of_sql(sql, "out.t", COLUMNS)
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


def whose(sql: str, relation: str = "out.m") -> set[tuple]:
    """Edges into v: whose rows at the origin make whose rows here."""
    return {
        (edge.from_relation, edge.from_column, edge.from_model_name, edge.to_model_name)
        for edge in queries.of_sql(sql, relation, COLUMNS)
        if edge.to_column == "v"
    }


A, B = "account_pd", "application_pd"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # Each model's rows come from its own rows.
        ("select model_name, q as v from raw.p", {("raw.p", "q", A, A), ("raw.p", "q", B, B)}),
        ("select model_name, max(q) as v from raw.p group by model_name", {("raw.p", "q", A, A), ("raw.p", "q", B, B)}),
        ("select p.model_name, r.s as v from raw.p left join raw.r on p.model_name = r.model_name and p.k = r.k",
         {("raw.r", "s", A, A), ("raw.r", "s", B, B)}),
        ("select model_name, r.s as v from raw.p join raw.r using (model_name, k)",
         {("raw.r", "s", A, A), ("raw.r", "s", B, B)}),
        ("select model_name, k, sum(q) over (partition by model_name) as v from raw.p",
         {("raw.p", name, one, one) for name in ("model_name", "q") for one in (A, B)}),
        # One model's rows, selected by its name.
        ("select model_name, q as v from raw.p where model_name = 'account_pd' and k > 1", {("raw.p", "q", A, A)}),
        ("with c as (select * from raw.p) select model_name, q as v from c where 'account_pd' = model_name",
         {("raw.p", "q", A, A)}),
        ("select p.model_name, r.s as v from raw.p join raw.r on p.model_name = r.model_name"
         " where r.model_name = 'account_pd'", {("raw.r", "s", A, A)}),
        ("with c as (select 'account_pd' as model_name, x as v from raw.a"
         " union all select 'application_pd' as model_name, z as v from raw.b) select * from c",
         {("raw.a", "x", None, A), ("raw.b", "z", None, B)}),
        ("with c as (select 'account_pd' as model_name, x as v from raw.a"
         " union all select 'application_pd' as model_name, z as v from raw.b)"
         " select model_name, v from c where model_name = 'account_pd'", {("raw.a", "x", None, A)}),
        # One model's rows make the other's.
        ("select 'application_pd' as model_name, q as v from raw.p where model_name = 'account_pd'",
         {("raw.p", "q", A, B)}),
        # All models' rows: nothing selects a model, or rows of all take part.
        ("select p.model_name, r.s as v from raw.p join raw.r on p.k = r.k", {("raw.r", "s", None, None)}),
        ("select p.model_name, r.s as v from raw.p cross join raw.r where p.model_name = r.model_name or p.k = 1",
         {("raw.r", "s", None, None)}),
        ("select model_name, sum(q) over (order by k) as v from raw.p",
         {("raw.p", "q", None, None), ("raw.p", "k", None, None)}),
        ("select model_name, (select max(s) from raw.r) as v from raw.p", {("raw.r", "s", None, None)}),
        ("select max(model_name) as model_name, max(q) as v from raw.p", {("raw.p", "q", None, None)}),
        ("select p.model_name, p.q as v from raw.p left join raw.r on r.model_name = 'account_pd'",
         {("raw.p", "q", A, A), ("raw.p", "q", B, B)}),
    ],
)  # fmt: skip
def test_sql_says_whose_rows_are_made_of_whose(sql, expected):
    assert whose(sql) == expected


def test_a_relation_of_one_model_is_made_of_that_models_rows():
    assert whose("select q as v from raw.p where model_name = 'account_pd'", "out.t") == {("raw.p", "q", A, None)}
    assert whose("select q as v from raw.p", "out.t") == {("raw.p", "q", None, None)}


def test_a_constant_does_not_hang_on_queries_that_it_does_not_select_from():
    sql = "with other as (select z from raw.b), c as (select 1 as v, x as id from raw.a) select id, v from c"
    assert edges(sql) == {("raw.a", "x", "id", IDENTITY)} | {
        ("raw.a", name, "v", INDIRECT) for name in COLUMNS["raw.a"]
    }


STACKED = [
    # Two models' versions in one relation. The second model reads the scores of the first.
    ("models:/account_pd.version", None, "s.champions.digest", A),
    ("models:/application_pd.version", None, "s.champions.digest", B),
    ("raw.a.x", None, "models:/account_pd.version", None),
    ("raw.b.z", None, "models:/application_pd.version", None),
    ("s.champions.digest", A, "s.accounts.pd", A),
    ("s.champions.digest", B, "s.applications.pd", B),
    ("s.accounts.pd", None, "f.applications.their_pd", None),
    ("f.applications.their_pd", None, "s.applications.pd", B),
]


def rows(*told: tuple) -> list[dict]:
    found = []
    for source, theirs, target, ours in told:
        ends = [dict(zip(("relation", "column"), end.rsplit(".", 1), strict=True)) for end in (source, target)]
        found.append(
            {f"from_{name}": value for name, value in ends[0].items()}
            | {f"to_{name}": value for name, value in ends[1].items()}
            | {"from_model_name": theirs, "to_model_name": ours}
        )
    return found


def reached(start: str, *told: tuple, upstream: bool = True) -> set[str]:
    node = (*start.rsplit(".", 1), None)
    return {f"{one[0]}.{one[1]}" for one in graph.reached(node, graph.steps(rows(*told), upstream=upstream))}


def test_a_walk_keeps_to_the_rows_of_the_model_that_it_came_to():
    found = reached("s.accounts.pd", *STACKED)
    assert "raw.a.x" in found and "raw.b.z" not in found
    assert reached("raw.b.z", *STACKED, upstream=False) == {
        "raw.b.z", "models:/application_pd.version", "s.champions.digest", "s.applications.pd"
    }  # fmt: skip
    # The path remains where one model really reads what the other made.
    assert {"raw.a.x", "raw.b.z"} <= reached("s.applications.pd", *STACKED)
    assert "s.applications.pd" in reached("raw.a.x", *STACKED, upstream=False)


def test_without_a_word_about_models_a_walk_goes_everywhere():
    unnamed = [(source, None, target, None) for source, _, target, _ in STACKED]
    assert "raw.b.z" in reached("s.accounts.pd", *unnamed)


def test_an_event_tells_of_what_one_models_rows_are_made_of():
    into: dict = defaultdict(lambda: defaultdict(list))
    for row in rows(*STACKED):
        into[row["to_relation"]][row["to_column"]].append(row | {"transformation": TRANSFORMATION})
    told = openlineage._of_one(into["s.accounts"]["pd"], into)
    assert [one["from_relation"] for one in told] == ["models:/account_pd"]
    both = openlineage._of_one(into["s.champions"]["digest"], into)
    assert [one["from_relation"] for one in both] == ["models:/account_pd", "models:/application_pd"]


@pytest.mark.parametrize("sql", ["select from where", "select (1 as v from raw.a", "summarize raw.a"])
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
    found = builds.of_upstream(NODES, UPSTREAM, set(), ["out.t"])
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
        builds.of_upstream(nodes, UPSTREAM, set(), ["out.t"])


def test_what_was_read_upstream_is_not_read_again():
    upstream = builds.of_upstream(NODES, UPSTREAM, set(), ["out.t"])
    read = {"out.t": upstream[:2], "mid.m": upstream[2:]}
    unread = [one | {"sql": "no sql at all"} if one["relation"] in read else one for one in NODES[:2]]
    assert set(builds.of_project(unread, UPSTREAM, set(), "t", read)) == set(upstream)
    with pytest.raises(NightbookError, match=r"mid\.m: its SQL cannot be read"):
        builds.of_project(unread, UPSTREAM, set(), "t", {"out.t": upstream[:2]})


def test_a_query_that_reads_two_relations_as_one_says_nothing_of_rows_that_neither_holds():
    """Measurements of accounts do not come from applicants' data, although both are scored in one relation."""
    columns = {
        "raw.accounts": ["id", "balance"],
        "raw.applications": ["id", "income"],
        "mid.account": ["model_name", "id"],
        "mid.application": ["model_name", "id"],
        "out.accounts": ["model_name", "id", "pd"],
        "out.applications": ["model_name", "id", "pd"],
        "out.all": ["model_name", "id", "pd"],
        "out.measured": ["model_name", "value"],
    }
    nodes = [
        node("mid.account", "select 'account_pd' as model_name, id from raw.accounts"),
        node("mid.application", "select 'application_pd' as model_name, id from raw.applications"),
        node(
            "out.accounts", "select model_name, id, balance as pd from mid.account inner join raw.accounts using (id)"
        ),
        node(
            "out.applications",
            "select model_name, id, income as pd from mid.application inner join raw.applications using (id)",
        ),
        node("out.all", "select * from out.accounts union all select * from out.applications"),
        node("out.measured", "select model_name, avg(pd) as value from out.all group by model_name"),
    ]
    edges = builds.of_project(nodes, columns, set(), "t")
    told = [{name: getattr(edge, name) for name in edge.__dataclass_fields__} for edge in edges]
    for model, landed in (
        ("account_pd", ("raw.accounts", "balance")),
        ("application_pd", ("raw.applications", "income")),
    ):
        seen = graph.reached(("out.measured", "value", model), graph.steps(told))
        assert {found[:2] for found in seen if found[0].startswith("raw.")} == {landed}
    # The same if rows are passed on from a relation that the other one was built from.
    nodes[2]["sql"] += " union all select model_name, id, pd from out.accounts"
    assert set(edges) <= set(builds.of_project(nodes, columns, set(), "t"))


RELATIONS = {"a": "raw.a", "t": "out.t", "p": "raw.p"}


def declared(*entries: dict) -> set[tuple]:
    found = declarations.of_declaration(entries, "out.t", COLUMNS, RELATIONS, {"x"})
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


def test_declarations_say_whose_rows_are_made_of_whose():
    def told(*entries: dict) -> set[tuple]:
        found = declarations.of_declaration(entries, "out.m", COLUMNS, RELATIONS, set())
        return {(edge.from_relation, edge.from_model_name, edge.to_model_name) for edge in found}

    entry = {"to": ["v"], "by": TRANSFORMATION}
    assert told(entry | {"from": {"p": ["q"]}, "model": "each"}) == {("raw.p", A, A), ("raw.p", B, B)}
    assert told(entry | {"from": {"p": ["q"]}, "model": A}) == {("raw.p", A, A)}
    assert told(entry | {"from": {"a": ["x"]}, "model": A}) == {("raw.a", None, A)}
    assert told(entry | {"from": {"a": ["x"]}}) == {("raw.a", None, None)}
    assert told(entry | {"from": {f"models:/{B}": ["version"]}}) == {(f"models:/{B}", None, B)}
    for wrong, why in (
        ({"from": {"p": ["q"]}}, r"from raw\.p needs `model`"),
        ({"from": {"p": ["q"]}, "model": "nobody"}, "for nobody, which is not a scoring model"),
        ({"from": {"a": ["x"]}, "model": "each"}, r"raw\.a for each model, but"),
    ):
        with pytest.raises(NightbookError, match=f"^out\\.m: lineage declared .*{why}"):
            told(entry | wrong)


@pytest.mark.parametrize("source", [{"nobody": ["x"]}, {"a": ["gone"]}])
def test_a_declaration_of_what_does_not_exist_is_refused(source):
    with pytest.raises(NightbookError, match=r"out\.t: lineage declared from"):
        declared({"to": ["v"], "from": source, "by": IDENTITY})
