"""Every SQL text in the library and the site, read from their source, and the parts that one engine cannot read."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

ROOT = Path(__file__).resolve().parents[4]
FOLDERS = (ROOT / "python_models" / "nightbook", ROOT / "runner", ROOT / "docsite")
# Modules that address only one engine, whatever the target is.
OF_DUCKDB = {
    "scratch_home.py",
    "dbt_plugin.py",
    "definitions.py",
    "files.py",
    "ledger.py",
    "frames.py",
    "locks.py",
    "moved.py",
    "reproduce.py",
    "store.py",
    "uci_taiwan.py",
}
# The registry's own file.
OF_SQLITE = {"mlflow_store.py", "store_reader.py"}
OF_SNOWFLAKE = {
    "snowflake_connection.py",
    "snowflake_frames.py",
    "snowflake_functions.py",
    "snowflake_store.py",
}
_BEGINNINGS = ("select", "with", "insert", "delete", "update", "create")
# Functions that both engines have, with the same meaning.
_FUNCTIONS = (
    exp.And, exp.Or, exp.Case, exp.If, exp.Cast, exp.Coalesce, exp.Exists, exp.Count, exp.Sum, exp.Avg, exp.Min,
    exp.Max, exp.RowNumber, exp.Lag, exp.MD5, exp.Lower,
)  # fmt: skip
# The parser reads an interval with and without quotes alike.
_BARE_INTERVAL = re.compile(r"\binterval\s+[^'\s]", re.IGNORECASE)
_RESERVED = {
    "account", "all", "alter", "and", "any", "as", "between", "by", "case", "cast", "check", "column", "connect",
    "constraint", "create", "cross", "current", "database", "delete", "distinct", "drop", "else", "exists", "false",
    "following", "for", "from", "full", "grant", "group", "having", "ilike", "in", "increment", "inner", "insert",
    "intersect", "into", "is", "issue", "join", "lateral", "left", "like", "localtime", "minus", "natural", "not",
    "null", "of", "on", "or", "order", "organization", "qualify", "regexp", "revoke", "right", "rlike", "row", "rows",
    "sample", "schema", "select", "set", "some", "start", "table", "tablesample", "then", "to", "trigger", "true",
    "union", "unique", "update", "using", "values", "view", "when", "whenever", "where", "with",
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """An SQL text; x stands for what Python inserts. `place`: file:line."""

    place: str
    sql: str


def statements() -> list[Statement]:
    """All SQL texts, except those of modules that address only one engine."""
    found = []
    for folder in FOLDERS:
        for file in sorted(folder.rglob("*.py")):
            if file.name not in OF_DUCKDB | OF_SQLITE | OF_SNOWFLAKE:
                found += of_source(file.read_text(), file.relative_to(folder).as_posix())
    return found


def of_source(source: str, name: str) -> list[Statement]:
    """SQL texts in one module's source."""
    tree = ast.parse(source)
    known = {
        target.id: text
        for node in tree.body
        if isinstance(node, ast.Assign) and (text := _text(node.value, {}))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [
        Statement(f"{name}:{node.lineno}", text)
        for node in _texts(tree)
        if (text := _text(node, known)) and _is_sql(text)
    ]


def gaps(sql: str) -> list[str]:
    """Parts of a statement that one engine cannot read, or reads differently. Empty if both agree."""
    found = ["an interval that is no text"] if _BARE_INTERVAL.search(sql) else []
    for dialect in ("duckdb", "snowflake"):
        try:
            tree = sqlglot.parse_one(sql, read=dialect)
        except sqlglot.errors.SqlglotError as error:
            found.append(f"{dialect}: {str(error).splitlines()[0]}")
            continue
        found += [f"{dialect}: {gap}" for gap in dict.fromkeys(_gaps_of(tree))]
    return found


def _gaps_of(tree: exp.Expression) -> Iterator[str]:
    for node in tree.walk():
        if isinstance(node, exp.Command):
            yield f"is no query: {node.sql()}"
        elif isinstance(node, exp.Anonymous):
            yield f"function {node.name}"
        elif isinstance(node, exp.Func) and not isinstance(node, _FUNCTIONS):
            yield f"function {node.sql_name()}"
        elif isinstance(node, exp.Filter):
            yield "filter (where ...)"
        elif isinstance(node, exp.Star) and (node.args.get("except_") or node.args.get("replace")):
            yield "a star that leaves out or exchanges columns"
        elif isinstance(node, exp.Group | exp.Order) and "ALL" in node.sql().upper().split():
            yield "all, in place of columns"
        elif isinstance(node, exp.Limit) and not isinstance(node.expression, exp.Literal | exp.Column):
            yield "a limit that is no number"
        elif isinstance(node, exp.Identifier) and not node.quoted and node.name.lower() in _RESERVED:
            yield f"{node.name} is a word of Snowflake's own"


def _is_sql(text: str) -> bool:
    words = text.replace("(", " ").split()
    return len(words) > 2 and words[0] in _BEGINNINGS and (words[0] != "with" or "select" in words)


def _texts(tree: ast.AST) -> Iterator[ast.expr]:
    """Outermost strings only: a part of an f-string is not a string of its own."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant):
            yield node
        else:
            yield from _texts(node)


def _text(node: ast.expr, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(part.value)
        else:
            parts.append(known.get(part.value.id, "x") if isinstance(part.value, ast.Name) else "x")
    return "".join(parts)
