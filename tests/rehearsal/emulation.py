"""Corrections of fakesnow's SQL, so that the project's SQL need not be adapted to it.

Each function takes a node of a statement's tree and returns its replacement. Its docstring says what Snowflake does.
`install` applies them to every statement, before fakesnow's own changes or after them.
"""

import fakesnow.transforms
from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot import Expr, exp

_TIME_PARTS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH24": "%H", "MI": "%M", "SS": "%S", "FF6": "%f"}
_FLOATING = "('DOUBLE', 'FLOAT')"


def lasting_tables(node: Expr) -> Expr:
    """A temporary table or view may be named with its database. DuckDB keeps those only in a catalog of their own."""
    if isinstance(node, exp.Create) and node.kind in ("TABLE", "VIEW") and (properties := node.args.get("properties")):
        table = node.find(exp.Table)
        for found in list(properties.find_all(exp.TemporaryProperty)) if table and table.catalog else []:
            found.pop()
    return node


def hexadecimal(node: Expr) -> Expr:
    """TO_NUMBER(text, 'XXXX') reads hexadecimal digits."""
    if isinstance(node, exp.ToNumber) and (form := node.args.get("format")) and set(form.name.upper()) == {"X"}:
        return exp.cast(exp.DPipe(this=exp.Literal.string("0x"), expression=node.this, safe=True), "BIGINT")
    return node


def signed_hash(node: Expr) -> Expr:
    """HASH returns a number of either sign."""
    if isinstance(node, exp.Anonymous) and node.name.upper() == "HASH":
        low = exp.Literal.number(2**63)
        unsigned = exp.cast(exp.Anonymous(this="hash", expressions=node.expressions), "HUGEINT")
        return exp.cast(exp.Sub(this=unsigned, expression=low), "BIGINT")
    return node


def division(node: Expr) -> Expr:
    """A quotient of fixed-point numbers is fixed-point, with six places here. A divisor of zero stops the query."""
    if not isinstance(node, exp.Div) or (_is_double(node.this) and isinstance(node.expression, exp.Literal)):
        return node
    numerator, divisor = exp.paren(node.this), exp.paren(node.expression)
    quotient = exp.Div(this=numerator, expression=divisor, typed=False, safe=False)
    is_zero = exp.EQ(this=divisor.copy(), expression=exp.Literal.number(0))
    # Not error(): DuckDB treats it as a new value each time, and forbids that in a window's order.
    stop = exp.cast(exp.Case().when(is_zero.copy(), exp.Literal.string("Division by zero")), "DOUBLE")
    result = exp.Case().when(is_zero, stop)
    if not _is_double(node.this) and not _is_double(node.expression):
        either = " or ".join(f"typeof({side.sql('duckdb')}) in {_FLOATING}" for side in (numerator, divisor))
        fixed = exp.Round(this=quotient.copy(), decimals=exp.Literal.number(6))
        quotient = exp.Case().when(exp.condition(either, dialect="duckdb"), quotient).else_(fixed)
    return exp.paren(result.else_(quotient))


def _is_double(node: Expr) -> bool:
    return isinstance(node.unnest(), exp.Cast) and node.unnest().is_type("DOUBLE", "FLOAT")


def time_text(node: Expr) -> Expr:
    """TO_CHAR(time, format) writes a time in that format, whatever expression it comes from."""
    form = node.args.get("format") if isinstance(node, exp.ToChar) else None
    if not isinstance(form, exp.Literal) or "YYYY" not in form.name:
        return node
    text = form.name
    for theirs, ours in _TIME_PARTS.items():
        text = text.replace(theirs, ours)
    return exp.Anonymous(this="strftime", expressions=[node.this, exp.Literal.string(text)])


def trimmed_text(node: Expr) -> Expr:
    """RTRIM(value, characters) accepts any value as text. fakesnow forgets the characters, and the end."""
    if isinstance(node, exp.Trim) and not isinstance(node.this, exp.Cast):
        node.set("this", exp.cast(node.this, "VARCHAR"))
    return node


def rows_of_source(node: Expr) -> Expr:
    """What MERGE inserts comes only from its source. fakesnow looks for the names in the target too."""
    source = node.args["using"].alias_or_name if isinstance(node, exp.Merge) else None
    for branch in node.args["whens"].expressions if source else []:
        then = branch.args["then"]
        for column in then.expression.find_all(exp.Column) if isinstance(then, exp.Insert) else []:
            if not column.table:
                column.set("table", exp.to_identifier(source))
    return node


def install() -> None:
    """Apply the corrections to every statement that fakesnow runs. Called once per process."""
    merge = fakesnow.transforms.merge
    fakesnow.transforms.merge = lambda node: merge(rows_of_source(node))
    fakesnow.transforms.trim_cast_varchar = trimmed_text
    transform = FakeSnowflakeCursor._transform

    def put_right(self: FakeSnowflakeCursor, expression: Expr, params) -> Expr:
        rows = _spared_rows(expression)
        before = expression.transform(lambda node: time_text(hexadecimal(lasting_tables(node))), copy=False)
        after = transform(self, before, params).transform(lambda node: division(signed_hash(node)), copy=False)
        if rows:
            after.expression.set("expressions", rows)
        return after

    FakeSnowflakeCursor._transform = put_right


def _spared_rows(expression: Expr) -> list[Expr]:
    """All rows of an insert of many literals; the insert keeps one. Passes over a whole seed would take minutes."""
    values = expression.expression if isinstance(expression, exp.Insert) else None
    rows = values.expressions if isinstance(values, exp.Values) else []
    plain = (exp.Literal, exp.Null, exp.Boolean, exp.Neg)
    if len(rows) < 100 or not all(isinstance(one, plain) for row in rows for one in row.expressions):
        return []
    values.set("expressions", rows[:1])
    return rows
