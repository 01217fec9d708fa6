"""The rehearsal ends transactions as Snowflake does, so that its results do not depend on DuckDB's rules."""

import pytest
from snowflake.connector.errors import DatabaseError

from tests.rehearsal import running

FAILS = "insert into s.t select cast(x as integer) from (select 'odd; it''s -- $' as x)"
UNENDED = "begin begin transaction; delete from s.t; end;"
BLOCK = """execute immediate $$
begin
    begin transaction;
    delete from s.t where n = 1;
    {};
    commit;
exception
    when other then
        rollback;
        raise;
end;
$$
/* dbt says who asks */"""


@pytest.fixture(scope="module")
def opened(server):
    with running.connected(server, database="TRANSACTIONS") as connection:
        connection.cursor().execute("create schema s")
        yield connection


@pytest.fixture
def say(opened):
    """A function that runs statements, continues after a failed one, and returns the last one's result."""

    def say(*statements: str):
        for statement in statements:
            try:
                given = opened.cursor().execute(statement).fetchall()
            except DatabaseError as error:
                given = error.msg
        return given

    say("rollback", "create or replace table s.t (n integer)", "insert into s.t values (1), (2)")
    return say


def numbers(say) -> list[int]:
    """The committed rows."""
    return [row[0] for row in say("rollback", "select n from s.t order by n")]


# Statements, and the rows that are left after everything uncommitted is rolled back.
SEQUENCES = {
    "a failed statement leaves the transaction open": (["begin", "delete from s.t where n = 1", FAILS], [1, 2]),
    "what went before it is still seen": (
        ["begin", "delete from s.t where n = 1", FAILS, "create table s.seen as select n from s.t", "begin",
         "delete from s.t", "insert into s.t select n + 10 from s.seen", "commit"],
        [12],
    ),
    "ddl commits": (["begin", "delete from s.t where n = 1", FAILS, "create or replace table s.u (n integer)"], [2]),
    "a temporary table commits": (
        ["begin", "delete from s.t where n = 1", FAILS, "create or replace temporary table u as select 1 as n"],
        [2],
    ),
    "another begin is passed over": (
        ["begin", "delete from s.t where n = 1", FAILS, "begin transaction", "insert into s.t values (3)", "commit"],
        [2, 3],
    ),
    "without a transaction each is one": (["delete from s.t where n = 1", FAILS, "insert into s.t values (3)"], [2, 3]),
    "a select that fails ends nothing": (
        ["begin", "delete from s.t where n = 1", "select nothing from s.t", "insert into s.t values (4)", "commit"],
        [2, 4],
    ),
    "a block is whole": ([BLOCK.format("insert into s.t select 7 as n")], [2, 7]),
    "a block that fails is nothing": ([BLOCK.format(FAILS), "create or replace table s.u (n integer)"], [1, 2]),
    "a block that ends nothing is rolled back": (
        [f"execute immediate $${UNENDED}$$", "create or replace table s.u (n integer)"],
        [1, 2],
    ),
    "a block without a handler is rolled back": (
        [f"execute immediate $$begin begin transaction; delete from s.t; {FAILS}; commit; end;$$", "commit"],
        [1, 2],
    ),
    "a handler may keep what was done": (
        [f"execute immediate $$begin begin transaction; delete from s.t where n = 1; {FAILS}; exception"
         " when other then insert into s.t values (5); commit; end;$$"],
        [2, 5],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SEQUENCES)
def test_transactions_end_as_in_an_account(say, case):
    statements, there = SEQUENCES[case]
    say("drop table if exists s.seen", *statements)
    assert numbers(say) == there


def test_the_end_of_a_session_takes_its_transaction_back(server, say):
    with running.connected(server, database="TRANSACTIONS") as connection:
        connection.cursor().execute("begin")
        connection.cursor().execute("delete from s.t")
    assert numbers(say) == [1, 2]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (BLOCK.format(FAILS), "Uncaught exception of type 'STATEMENT_ERROR' on line 5 at position 4 : "),
        (
            "execute immediate $$begin begin transaction; delete from s.t; end;$$",
            "is incomplete and it was rolled back",
        ),
        ("execute immediate $$begin insert into s.t values (:n); end;$$", "Bind variable :N not set."),
        ("execute immediate $$begin; delete from s.t; end;$$", "syntax error"),
        ("execute immediate $$begin delete from s.t; end$$", "syntax error"),
        ("execute immediate $$delete from s.t;$$", "syntax error"),
    ],
)
def test_a_block_that_an_account_refuses_is_refused(say, statement, message):
    assert message in say(statement)
    assert numbers(say) == [1, 2]


def test_colons_of_other_kinds_are_no_variables(say):
    assert say(
        "execute immediate $$begin insert into s.t select '3'::integer as n where 'at 10:30' = 'at 10:30'; end;$$",
        "select max(n) from s.t",
    ) == [(3,)]
