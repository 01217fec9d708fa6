"""Every query that dbt compiles for Snowflake can be parsed, and each of its functions is in the list.

The whole list was checked against a copy of Snowflake's manual; nothing was run in a real account. `checked` is yes if
all of the note was found, and no if the note names what was not found. SQL that is not compiled, such as that of hooks,
is not checked here.
"""

import csv

import pytest
from snowflake_sql import FUNCTIONS, functions, gaps, known_functions, unparsable

# sqlfluff's parser would take minutes on longer texts. sqlglot reads those too, and other nodes use their macros.
TOO_LONG = 45_000

PLANTED = {
    "select strftime(paid_on, '%Y') from payments": "strftime is not in",
    "select string_agg(reason, ' ' order by rule) from reasons": "string_agg is not in",
    "select arg_max_null(score, pull_number) from pulls": "arg_max_null is not in",
    "select a from t where (b = 1": "cannot read",
    "select list_contains([1, 2], a) from t": "list_contains is not in",
    "select sum(a) over w from t window w as (partition by b)": "cannot read",
    "select paid / balance as ratio from t": "fixed-point",
    "select count(case when a not in (select b from u) then 1 end) as n from t": "list of columns",
    "select a as rows from t": "word of Snowflake's own",
}
SOUND = [
    "select cast(a as double) / b as ratio from t",
    "select a from t where a not in (select b from u) and exists (select 1 from u where u.b = t.a)",
    "select a from (values (1), (2)) as listed (a) qualify row_number() over (order by a) = 1",
    "select round(sum(cast(a as decimal(18, 2)) * cast(b as double)) / 7) from t",
]


def test_every_compiled_query_is_snowflakes(compiled):
    assert len(compiled) > 190
    found = {path: faults for path, sql in compiled.items() if sql.strip() and (faults := gaps(sql))}
    assert found == {}


def test_sqlfluff_knows_every_word(compiled):
    long = {path for path, sql in compiled.items() if len(sql) > TOO_LONG}
    models = {path: sql for path, sql in compiled.items() if path not in long and ".yml/" not in path}
    assert len(models) >= 80 and len(long) < 5
    found = {path: parts for path, sql in models.items() if (parts := unparsable(sql))}
    assert found == {}


def test_functions_are_listed_if_and_only_if_they_are_used(compiled):
    used = set().union(*(functions(sql) for sql in compiled.values()))
    in_statements = {row["function"] for row in rows() if row["used_in"] == "statements"}
    assert known_functions() - in_statements == used - in_statements


def test_every_function_names_its_page():
    assert all(row["page"].startswith("sql-reference/") and row["note"].strip() for row in rows())
    assert [row["function"] for row in rows()] == sorted(row["function"] for row in rows())


def test_every_function_says_whether_its_note_was_found():
    assert {row["checked"] for row in rows()} <= {"yes", "no"}
    assert [row["function"] for row in rows() if ("not confirmed: " in row["note"]) != (row["checked"] == "no")] == []


@pytest.mark.parametrize("sql", PLANTED)
def test_a_gap_is_found(sql):
    assert any(PLANTED[sql] in gap for gap in gaps(sql)), gaps(sql)


@pytest.mark.parametrize("sql", SOUND)
def test_nothing_is_found_where_nothing_is_wrong(sql):
    assert gaps(sql) == []


def test_sqlfluff_finds_what_is_no_sql():
    assert unparsable("select a from t where from b\n") != []
    assert unparsable("select a from t\n") == []


def rows() -> list[dict[str, str]]:
    with FUNCTIONS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
