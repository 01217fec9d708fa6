"""Texts from the environment and the warehouse in SQL, on both engines: refused, or kept in one literal."""

import json
from datetime import date, datetime, timedelta

import duckdb
import pytest
import sqlglot

TEXTS = [
    "a", "", " ", "it's", "''", "'", "\\", "\\'", "\\\\'", "'; drop table x; --", "a\nb", "\\n", "{{ 1 }}",
    "{% x %}", "?", "%s", ":x", "$1", "$$", "/* x */", "-- x", "\u202e", "名", "null", "None", "1", "\x1b[2J",
    "' || (select 1) || '",
]  # fmt: skip
DATES = [
    "2026-02-30", "2026-13-01", "2026-00-10", "2026-01-00", "2100-02-29", "1899-12-31", "3000-01-01", "26-01-01",
    "2026-1-1", "20260630", "2026-06-30 ", " 2026-06-30", "2026-06-30\n", "2026-06-30' as date) or (1 = 1",
    "tomorrow", "'", "\\", "-1", "2026-06-30T00:00:00", "٢٠٢٦-٠٦-٣٠", "\x1b[2J2026-06-30",
]  # fmt: skip
TIMES = [
    "2026-06-30", "2026-06-30 24:00:00", "2026-06-30 23:60:00", "2026-06-30 23:59:60", "2026-06-30 1:00:00",
    "2026-06-30  01:00:00", "2026-02-30 01:00:00", "2026-06-30 01:00:00.", "2026-06-30 01:00:00.1234567",
    "2026-06-30 01:00:00+02:00", "2026-06-30 01:00:00Z", "2026-06-30T01:00:00", "2026-06-30 01:00",
    "2026-06-30 01:00:00' as timestamp) --", "\n",
]  # fmt: skip


def as_json(value: object) -> str:
    """JSON for a dbt variable, in which dbt would read two braces as a template."""
    return json.dumps(value).replace("{{", "{\\u007b").replace("{%", "\\u007b%")


def refusal(done) -> str:
    """dbt's message for a refused invocation."""
    assert not done.success
    return str(done.exception or "") + " ".join(one.message or "" for one in getattr(done.result, "results", []))


def literals(project, macro: str) -> list[str]:
    """What a macro makes of each text. The separator is a character that no text contains."""
    template = "{% for text in fromjson(var('texts')) %}\u241e{{ " + macro + " }}{% endfor %}"
    return project.compile(template, texts=as_json(TEXTS)).split("\u241e")[1:]


def test_a_literal_holds_its_text_on_duckdb(project):
    found = literals(project, "text_literal(text)")
    assert [duckdb.sql(f"select {literal} as text").fetchall() for literal in found] == [[(text,)] for text in TEXTS]


def test_a_literal_holds_its_text_on_snowflake(project):
    found = literals(project, "nightbook.default__text_literal(text)")
    read = [sqlglot.parse_one(f"select {literal} as text", read="snowflake").selects[0].this for literal in found]
    assert [(one.is_string, one.this) for one in read] == [(True, text) for text in TEXTS]


def test_a_list_holds_its_texts(project):
    listed = project.compile("{{ text_list(fromjson(var('texts'))) }}", texts=as_json(TEXTS))
    held = duckdb.sql(
        f"select text from (select unnest({json.dumps([])}::varchar[] || [{listed[1:-1]}]) as text)"
    ).fetchall()
    assert [text for (text,) in held] == TEXTS
    nobody = project.compile("{{ text_list([]) }}")
    assert duckdb.sql(f"select 'a' in {nobody}, 'a' not in {nobody}").fetchall() == [(False, True)]


@pytest.mark.parametrize(("macro", "values"), [("_is_date", DATES), ("_is_timestamp", TIMES)])
def test_what_is_none_is_told(project, macro, values):
    template = "{% for one in fromjson(var('values')) %}{{ nightbook." + macro + "(one) }} {% endfor %}"
    assert project.compile(template, values=as_json(values)).split() == ["False"] * len(values)


def test_every_day_of_the_calendar_is_one(project):
    days = [
        date(year, 1, 1) + timedelta(days=one) for year in (1900, 1999, 2000, 2024, 2100, 2999) for one in range(365)
    ]
    texts = json.dumps([str(day) for day in days])
    compiled = project.compile(
        "{% for one in fromjson(var('days')) %}{{ given_date(one, 'X') }}, {% endfor %}", days=texts
    )
    assert [one for (one,) in duckdb.sql(f"select unnest([{compiled}])").fetchall()] == days


def test_a_moment_is_the_one_that_was_given(project):
    for text in ("2026-06-30 23:59:59.999999", "1900-01-01 00:00:00", "2024-02-29 12:00:00.5"):
        compiled = project.compile("{{ given_timestamp(var('text'), 'X') }}", text=text)
        assert duckdb.sql(f"select {compiled}").fetchall() == [
            (datetime.fromisoformat(text.ljust(26, "0") if "." in text else text),)
        ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NIGHTBOOK_AS_OF", "2026-06-30' as date)), (select max(cast('2020-01-31"),
        ("NIGHTBOOK_AS_OF", "2026-02-30"),
        ("NIGHTBOOK_AS_OF", "\x1b[2J\n"),
        ("NIGHTBOOK_KNOWN_AT", "2026-06-30 00:00:00' as timestamp) or true or _loaded_at <= cast('2020-01-01"),
        ("NIGHTBOOK_KNOWN_AT", "2026-06-30"),
    ],
)
def test_a_variable_reaches_sql_as_a_value_or_is_refused_in_a_line(project, name, value):
    said = refusal(project.invoke("compile", "--select", "int_request", **{name: value}))
    [line] = {one.strip() for one in said.splitlines() if name in one}
    assert line.isprintable() and "write YYYY-MM-DD" in line


def test_an_actor_is_a_literal_in_the_models(project):
    actor = "it's \\' <script>"
    done = project.invoke("compile", "--select", "int_request", NIGHTBOOK_ACTOR=actor)
    [node] = [one for one in done.result.results if one.node.name == "int_request"]
    parsed = sqlglot.parse_one(node.node.compiled_code, read="duckdb")
    assert actor in [one.this for one in parsed.find_all(sqlglot.exp.Literal)]


@pytest.mark.parametrize("variable", ["NIGHTBOOK_OVERRIDE", "NIGHTBOOK_OVERRIDE_REASON"])
def test_an_override_that_cannot_be_shown_is_refused(project, variable):
    given = {"NIGHTBOOK_OVERRIDE": "drift", "NIGHTBOOK_OVERRIDE_REASON": "seen"} | {variable: "drift\x1b[2J"}
    done = project.invoke("compile", "--select", "int_request", **given)
    assert f"{variable} is 'drift\\x1b[2J'" in refusal(done)


def test_a_message_of_a_macro_holds_nothing_that_a_terminal_obeys(project):
    shown = project.compile("{{ shown_text(fromjson(var('text'))) }}", text=json.dumps("a\x1b[2J\nb\u202e\x7f"))
    assert shown == "a\\x1b[2J\\nb\\u202e\\x7f"
