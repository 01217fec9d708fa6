"""Reads the statements that hold Python: an anonymous procedure with its call, and a function."""

import re
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Python:
    """A statement that holds Python; arguments and returns are Snowflake's types, empty for a procedure."""

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
    """An anonymous procedure and its call; None where the statement is something else."""
    match = _PROCEDURE.match(sql)
    return _python(match) if match else None


def function(sql: str) -> Python | None:
    """CREATE TEMPORARY FUNCTION in Python; None where the statement is something else."""
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
