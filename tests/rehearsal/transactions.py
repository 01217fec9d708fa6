"""Snowflake's transactions on DuckDB, which abandons a whole transaction at its first failed statement.

In Snowflake, a failed statement undoes only itself, and the transaction stays open with the statements before it. DDL
commits these, and so does the next COMMIT, whoever issues it. Another BEGIN is ignored. The end of the session rolls
back. A block or a procedure must end the transaction that it began.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.fakes import FakeSnowflakeConnection
from snowflake.connector.errors import DatabaseError, ProgrammingError

from tests.rehearsal.statements import Block, Statement

_FIRST_WORDS = re.compile(r"(?:\s|;|--[^\n]*\n|/\*.*?\*/)*(\w+)\s*(\w*)", re.DOTALL)
_DDL = {"ALTER", "COMMENT", "CREATE", "DROP", "GRANT", "REVOKE", "UNDROP"}
_READS = {"DESC", "DESCRIBE", "EXPLAIN", "LIST", "LS", "SELECT", "SHOW", "USE", "WITH"}
_NOTHING = "select 'Statement executed successfully.' as \"status\""


def is_open(connection: FakeSnowflakeConnection) -> bool:
    """Whether the session is in an explicit transaction."""
    return _done(connection) is not None


def roll_back(connection: FakeSnowflakeConnection) -> None:
    """What the end of a session does."""
    if is_open(connection):
        connection.cursor().execute("rollback")


@contextmanager
def scope(connection: FakeSnowflakeConnection) -> Iterator[None]:
    """Roll back a transaction that a procedure or a block leaves open, with an error unless there is one already."""
    was_open = is_open(connection)
    try:
        yield
    finally:
        left_open = is_open(connection) and not was_open
        if left_open:
            roll_back(connection)
    if left_open:
        raise ProgrammingError(
            msg="Stored procedure execution error: Scoped transaction started in stored procedure is incomplete and it"
            " was rolled back.",
            errno=90232,
            sqlstate="25000",
        )


def run(block: Block, connection: FakeSnowflakeConnection) -> None:
    """Run a block as one statement.

    Raises:
        ProgrammingError: a statement failed without a handler that catches it, or a transaction is left open.
    """
    outer = is_open(connection)

    def each(statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            word = _words(statement.sql)[0]
            if outer and word in ("BEGIN", "COMMIT", "ROLLBACK"):
                # Snowflake would have two transactions in one session, which DuckDB does not support.
                raise _compilation(f"{word} in a block, while the session is in a transaction, is not rehearsed")
            try:
                connection.cursor().execute(statement.sql, server=True)
            except DatabaseError as error:
                raise _uncaught(error, statement) from error

    with scope(connection):
        try:
            each(block.statements)
        except ProgrammingError:
            if block.handler is None:
                raise
            for statement in block.handler:
                if _words(statement.sql)[0] == "RAISE":
                    raise
                each((statement,))


def install() -> None:
    """Let every session's statements behave like this. Called once per process, after all other changes."""
    execute = FakeSnowflakeCursor.execute

    def as_in_an_account(self: FakeSnowflakeCursor, command: str, *arguments, **options):
        first, second = _words(command)
        begins = first == "BEGIN" or (first, second) == ("START", "TRANSACTION")
        done = _done(self._conn)
        if done is None or first in _READS:
            result = _again_on_failure(self, execute, done, command, *arguments, **options)
            if begins:
                self._conn._done = []
            return result
        if begins:
            return execute(self, _NOTHING, server=True)
        if first in ("COMMIT", "ROLLBACK"):
            return _ended(self, execute, command, *arguments, **options)
        if first in _DDL:
            _ended(self, execute, "commit")
            return execute(self, command, *arguments, **options)
        result = _again_on_failure(self, execute, done, command, *arguments, **options)
        done.append((command, arguments, options))
        return result

    FakeSnowflakeCursor.execute = as_in_an_account


def _again_on_failure(
    cursor: FakeSnowflakeCursor, execute: Callable, done: list | None, command: str, *arguments, **options
):
    """Execute a statement. If it fails within a transaction, restore what the transaction's earlier statements did."""
    try:
        return execute(cursor, command, *arguments, **options)
    except Exception:
        if done is not None:
            beside = cursor._conn.cursor()
            execute(beside, "rollback")
            execute(beside, "begin")
            for one, its_arguments, its_options in done:
                execute(beside, one, *its_arguments, **its_options)
        raise


def _ended(cursor: FakeSnowflakeCursor, execute: Callable, command: str, *arguments, **options):
    cursor._conn._done = None
    try:
        return execute(cursor, command, *arguments, **options)
    except Exception:
        with suppress(DatabaseError):
            execute(cursor._conn.cursor(), "rollback")
        raise


def _done(connection: FakeSnowflakeConnection) -> list | None:
    """Statements of the open transaction, None without one."""
    return getattr(connection, "_done", None)


def _words(sql: str) -> tuple[str, str]:
    found = _FIRST_WORDS.match(sql)
    return (found[1].upper(), found[2].upper()) if found else ("", "")


def _uncaught(error: DatabaseError, statement: Statement) -> ProgrammingError:
    return ProgrammingError(
        msg=f"Uncaught exception of type 'STATEMENT_ERROR' on line {statement.line} at position {statement.position} : "
        f"{error.raw_msg}",
        errno=error.errno,
        sqlstate=error.sqlstate,
    )


def _compilation(text: str) -> ProgrammingError:
    return ProgrammingError(msg=f"SQL compilation error:\n{text}", errno=1003, sqlstate="42000")
