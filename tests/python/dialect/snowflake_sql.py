"""Parts of a statement that Snowflake cannot read, or reads differently from DuckDB."""

import csv
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import sqlglot
from sqlfluff.core import FluffConfig, Linter
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokens import TokenType

FUNCTIONS = Path(__file__).with_name("functions.csv")
# Columns that are doubles on both engines, so that a quotient with one is a double.
DOUBLES = {
    "auc", "brier_2", "defaults_variance", "goods_variance", "pd", "remaining_months", "score_points_to_double",
    "self_share",
}  # fmt: skip
# docs.snowflake.com/en/sql-reference/reserved-keywords: words that can never be a name.
RESERVED = {
    "all", "alter", "and", "any", "as", "between", "by", "check", "column", "connect", "create", "current", "delete",
    "distinct", "drop", "else", "exists", "following", "for", "from", "grant", "group", "having", "ilike", "in",
    "increment", "insert", "intersect", "into", "is", "like", "minus", "not", "null", "of", "on", "or", "order",
    "qualify", "regexp", "revoke", "rlike", "row", "rows", "sample", "select", "set", "some", "start", "table",
    "tablesample", "then", "to", "trigger", "union", "unique", "update", "values", "whenever", "where", "with",
}  # fmt: skip


@functools.cache
def known_functions() -> frozenset[str]:
    """Every function in the list of functions, in lower case."""
    with FUNCTIONS.open(encoding="utf-8", newline="") as file:
        return frozenset(row["function"] for row in csv.DictReader(file))


def functions(sql: str) -> set[str]:
    """The functions that a statement calls, as written, in lower case. The parser would translate some."""
    found = set()
    tokens = sqlglot.tokenize(sql, read="snowflake")
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        is_name = token.token_type == TokenType.VAR or token.text.isidentifier()
        is_type = token.token_type in Snowflake.Parser.TYPE_TOKENS and token.text.lower() in ("decimal", "varchar")
        is_alias = before is not None and before.token_type in (TokenType.ALIAS, TokenType.DOT)
        if (
            after.token_type == TokenType.L_PAREN
            and after.start == token.end + 1
            and is_name
            and not is_type | is_alias
        ):
            found.add(token.text.lower())
    return found


def gaps(sql: str) -> list[str]:
    """What is wrong with a statement for Snowflake, one line each. Empty if nothing is."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="snowflake", error_level=ErrorLevel.RAISE) if tree]
    except SqlglotError as error:
        return [f"sqlglot cannot read it: {str(error).splitlines()[0]}"]
    found = [f"{name} is not in {FUNCTIONS.name}" for name in sorted(functions(sql) - known_functions())]
    for tree in trees:
        found += [
            *_commands(tree),
            *_names(tree),
            *_divisions(tree),
            *_projected_subqueries(tree),
        ]
    return list(dict.fromkeys(found))


def unparsable(sql: str) -> list[str]:
    """The parts of a statement that sqlfluff's Snowflake grammar does not know."""
    parsed = _linter().parse_string(sql)
    if parsed.tree is None:
        return [str(parsed.violations[0])]
    return [part.raw[:80] for part in parsed.tree.recursive_crawl("unparsable")]


@functools.cache
def _linter() -> Linter:
    overrides = {"dialect": "snowflake", "templater": "raw", "large_file_skip_byte_limit": 0, "max_parse_nodes": 0}
    return Linter(config=FluffConfig(overrides=overrides))


def _commands(tree: exp.Expr) -> Iterator[str]:
    """What the parser passes on unchanged, because it does not know it."""
    for command in tree.find_all(exp.Command):
        yield f"{command.name}: no statement that the parser knows"


def _names(tree: exp.Expr) -> Iterator[str]:
    for name in tree.find_all(exp.Identifier):
        if not name.quoted and name.name.lower() in RESERVED:
            yield f"{name.name}: a word of Snowflake's own"


def _projected_subqueries(tree: exp.Expr) -> Iterator[str]:
    """Snowflake allows `in (select ...)` and `exists` only in conditions on rows, scalar subqueries anywhere."""
    for select in tree.find_all(exp.Select):
        for projection in select.expressions:
            for node in projection.find_all(exp.In, exp.All, exp.Any, exp.Exists):
                is_subquery = not isinstance(node, exp.In) or node.args.get("query")
                if is_subquery and node.find_ancestor(exp.Select) is select:
                    yield f"{node.sql('snowflake')[:60]}: a subquery of this kind in the list of columns"


def _divisions(tree: exp.Expr) -> Iterator[str]:
    """For two fixed-point numbers, Snowflake returns at most six more places, DuckDB a double."""
    for division in tree.find_all(exp.Div):
        if not _is_double(division.this) and not _is_double(division.expression):
            yield f"{division.sql('snowflake')[:100]}: a quotient of fixed-point numbers"


def _is_double(node: exp.Expr | None) -> bool:
    """True if an expression is certainly a double, whatever its columns are."""
    if node is None:
        return False
    if isinstance(node, exp.Cast):
        return node.is_type("double", "float")
    if isinstance(node, exp.Ln | exp.Sqrt | exp.Pow):
        return True
    if isinstance(node, exp.Column):
        return node.name.lower() in DOUBLES
    if isinstance(node, exp.Case):
        return any(
            _is_double(one) for one in [*(case.args["true"] for case in node.args["ifs"]), node.args.get("default")]
        )
    if isinstance(node, exp.Anonymous):
        return any(map(_is_double, node.expressions))
    if isinstance(node, exp.Greatest | exp.Least | exp.Coalesce):
        return any(map(_is_double, itertools.chain([node.this], node.expressions)))
    if isinstance(node, exp.Binary):
        return _is_double(node.this) or _is_double(node.expression)
    if isinstance(node, exp.Paren | exp.Neg | exp.Nullif | exp.AggFunc | exp.Window | exp.Round | exp.Abs | exp.Floor):
        return _is_double(node.this)
    return False
