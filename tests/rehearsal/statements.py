"""Read statements that contain others: an anonymous procedure with its call, a function, a block."""

import re
from dataclasses import dataclass

from snowflake.connector.errors import ProgrammingError
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.tokens import Token, TokenType

_COMMENT = r"(?:/\*.*?\*/|--[^\n]*\n|\s|;)*"
_PROCEDURE = re.compile(
    rf"^{_COMMENT}WITH\s+(?P<name>\w+)\s+AS\s+PROCEDURE\s*\(\s*\)(?P<clauses>.*?)\bAS\s+\$\$(?P<body>.*)\$\$\s*"
    rf"CALL\s+(?P=name)\s*\(\s*\){_COMMENT}$",
    re.IGNORECASE | re.DOTALL,
)
_FUNCTION = re.compile(
    rf"^{_COMMENT}CREATE\s+(?P<replace>OR\s+REPLACE\s+)?TEMP(?:ORARY)?\s+FUNCTION\s+(?P<name>\w+)\s*\((?P<arguments>.*?)\)"
    rf"\s*(?P<clauses>RETURNS\b.*?)\bAS\s+\$\$(?P<body>.*)\$\${_COMMENT}$",
    re.IGNORECASE | re.DOTALL,
)
_BLOCK = re.compile(
    rf"^{_COMMENT}EXECUTE\s+IMMEDIATE\s+\$\$(?P<body>.*?)\$\${_COMMENT}$",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    """One statement of a block, and its position."""

    sql: str
    line: int
    position: int


@dataclass(frozen=True)
class Block:
    """Statements, and those of the handler of any exception. None if there is no handler."""

    statements: tuple[Statement, ...]
    handler: tuple[Statement, ...] | None


@dataclass(frozen=True)
class Python:
    """A statement with Python code. `arguments` and `returns` are Snowflake's types, empty for a procedure."""

    name: str
    body: str
    handler: str
    runtime: str
    packages: tuple[str, ...]
    imports: tuple[str, ...]
    integrations: tuple[str, ...]
    secrets: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...] = ()
    returns: str = ""


def procedure(sql: str) -> Python | None:
    """An anonymous procedure and its call. None for another statement."""
    match = _PROCEDURE.match(sql)
    return _python(match) if match else None


def function(sql: str) -> Python | None:
    """CREATE TEMPORARY FUNCTION in Python. None for another statement."""
    match = _FUNCTION.match(sql)
    if match is None or not re.search(r"LANGUAGE\s+PYTHON", match["clauses"], re.IGNORECASE):
        return None
    arguments = tuple(part.split()[1].upper() for part in match["arguments"].split(",") if part.strip())
    returns = re.match(r"RETURNS\s+(\w+)", match["clauses"], re.IGNORECASE)[1].upper()
    return _python(match, arguments, returns)


def _python(match: re.Match, arguments: tuple[str, ...] = (), returns: str = "") -> Python:
    clauses = match["clauses"]
    secrets = re.findall(r"'([^']+)'\s*=\s*([\w.]+)", _inside(clauses, "SECRETS"))
    return Python(
        match["name"],
        match["body"],
        _value(clauses, "HANDLER"),
        _value(clauses, "RUNTIME_VERSION"),
        _quoted(clauses, "PACKAGES"),
        _quoted(clauses, "IMPORTS"),
        tuple(re.findall(r"[\w.]+", _inside(clauses, "EXTERNAL_ACCESS_INTEGRATIONS"))),
        tuple(secrets),
        arguments,
        returns,
    )


def _value(clauses: str, name: str) -> str:
    found = re.search(rf"\b{name}\s*=\s*'?([\w.]+)'?", clauses, re.IGNORECASE)
    return found[1] if found else ""


def _inside(clauses: str, name: str) -> str:
    found = re.search(rf"\b{name}\s*=\s*\((.*?)\)", clauses, re.IGNORECASE | re.DOTALL)
    return found[1] if found else ""


def _quoted(clauses: str, name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"'([^']*)'", _inside(clauses, name)))


def block(sql: str) -> Block | None:
    """EXECUTE IMMEDIATE of a block of plain statements, with or without a handler. None for another statement.

    Raises:
        ProgrammingError: the text is not such a block. Other uses of blocks are not rehearsed.
    """
    match = _BLOCK.match(sql)
    if match is None:
        return None
    body = match["body"]
    pieces: list[list[Token]] = [[]]
    for token in Snowflake().tokenize(body):
        if token.token_type == TokenType.SEMICOLON:
            pieces.append([])
        else:
            pieces[-1].append(token)
    if not pieces[0] or _word(pieces[0]) != "BEGIN":
        raise _unexpected(pieces[0])
    pieces[0] = pieces[0][1:]
    if len(pieces) < 3 or pieces[-1] or _word(pieces[-2]) != "END" or len(pieces[-2]) > 1:
        raise _unexpected(pieces[-1] or pieces[-2])
    statements: list[Statement] = []
    handler: list[Statement] | None = None
    for piece in pieces[:-2]:
        if _word(piece) == "EXCEPTION":
            if handler is not None or [token.text.upper() for token in piece[1:4]] != ["WHEN", "OTHER", "THEN"]:
                raise _unexpected(piece)
            handler, piece = [], piece[4:]
        (statements if handler is None else handler).append(_statement(body, piece))
    return Block(tuple(statements), None if handler is None else tuple(handler))


def _statement(body: str, piece: list[Token]) -> Statement:
    if not piece:
        raise _unexpected(piece)
    for before, token, after in zip(piece, piece[1:], piece[2:], strict=False):
        stands_alone = before.end + 1 < token.start or not body[before.end].isalnum()
        if token.token_type == TokenType.COLON and stands_alone and after.start == token.end + 1:
            raise ProgrammingError(msg=f"Bind variable :{after.text.upper()} not set.", errno=2049, sqlstate="42601")
    first = piece[0]
    return Statement(body[first.start : piece[-1].end + 1], first.line, first.col - len(first.text))


def _word(piece: list[Token]) -> str:
    return piece[0].text.upper() if piece else ""


def _unexpected(piece: list[Token]) -> ProgrammingError:
    where = (
        f"line {piece[0].line} at position {piece[0].col} unexpected '{piece[0].text}'" if piece else "unexpected ';'"
    )
    return ProgrammingError(msg=f"SQL compilation error:\nsyntax error {where}.", errno=1003, sqlstate="42000")
