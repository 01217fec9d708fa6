"""Macros against oracles in Python, on rows made here. dbt compiles each query; DuckDB runs it in memory."""

import csv
import hashlib
import math
from collections import Counter
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from dateutil.relativedelta import relativedelta
from nightbook.catalog.windows import WindowedFeature
from nightbook.modelling import metrics
from scipy import stats

ROOT = Path(__file__).resolve().parents[3]


def values(rows, columns: str) -> str:
    """A VALUES list with names. None is null; dates and decimals keep their type."""
    return f"(values {', '.join('(' + ', '.join(map(literal, row)) + ')' for row in rows)}) as cases ({columns})"


def literal(value) -> str:
    if value is None:
        return "null"
    if isinstance(value, date):
        return f"date '{value}'"
    if isinstance(value, float):
        return f"cast('{value!r}' as double)"
    return f"'{value}'" if isinstance(value, str) else str(value)


# --- statistics

SHARES = {
    "no_shift": ([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]),
    "known_shift": ([0.5, 0.5], [0.65, 0.35]),
    "emptied_bin": ([0.5, 0.5], [1.0, 0.0]),
    "filled_bin": ([1.0, 0.0], [0.5, 0.5]),
    "empty_on_both_sides": ([0.5, 0.5, 0.0], [0.4, 0.6, 0.0]),
    "all_in_the_bin_of_nulls": ([0.0, 0.5, 0.5], [1.0, 0.0, 0.0]),
    "below_the_floor": ([0.00001, 0.99999], [0.00002, 0.99998]),
} | {f"random_{seed}": tuple(np.random.default_rng(seed).dirichlet(np.ones(10), size=2).tolist()) for seed in range(5)}


def test_psi_is_that_of_the_library(project):
    rows = [
        (name, *pair) for name, (reference, actual) in SHARES.items() for pair in zip(reference, actual, strict=True)
    ]
    sql = "select name, {{ psi('reference', 'actual') }} from cases group by name"
    table = pa.table(dict(zip(["name", "reference", "actual"], map(list, zip(*rows, strict=True)), strict=True)))
    found = dict(project.query(sql, tables={"cases": table}))
    expected = {name: metrics.psi(*map(np.array, pair)) for name, pair in SHARES.items()}
    assert found == pytest.approx(expected, abs=1e-12, rel=1e-12)
    assert found["no_shift"] == 0
    assert found["known_shift"] == pytest.approx(0.15 * math.log(0.65 / 0.35), abs=1e-12)
    assert found["emptied_bin"] == pytest.approx(0.5 * math.log(2) + 0.4999 * math.log(5000), abs=1e-12)


def test_psi_floor_may_be_chosen(project):
    sql = "select {{ psi('reference', 'actual', floor=0.01) }} from " + values(
        [(0.5, 1.0), (0.5, 0.0)], "reference, actual"
    )
    expected = metrics.psi(np.array([0.5, 0.5]), np.array([1.0, 0.0]), floor=0.01)
    assert project.query(sql)[0][0] == pytest.approx(expected, abs=1e-12)


def test_psi_status_bands(project):
    sql = "select psi, {{ psi_status('psi', '200') }}, {{ psi_status('psi', '10', min_cases=10, warn=0.3, alert=0.5) }}"
    cases = values([(0.0,), (0.0999999,), (0.1,), (0.2499999,), (0.25,), (9.0,)], "psi")
    assert [row[1:] for row in sorted(project.query(f"{sql} from {cases}"))] == [
        ("ok", "ok"),
        ("ok", "ok"),
        ("warn", "ok"),
        ("warn", "ok"),
        ("alert", "ok"),
        ("alert", "alert"),
    ]


def test_psi_status_says_nothing_of_few_cases(project):
    sql = "select {{ psi_status('9.0', 'n') }}, {{ psi_status('9.0', 'n', min_cases=1) }} from "
    found = project.query(sql + values([(200,), (199,), (0,)], "n") + " order by n desc")
    assert found == [("alert", "alert"), ("ok", "alert"), ("ok", "ok")]


# The form for this engine, and the portable form that must agree with it.
BIN_COUNTS = ("bin_counts", "default__bin_counts")


def profile_of(features: dict[str, list[float]]) -> pa.Table:
    """Reference bins of some features between the given edges, for version 1 of model m."""
    names = ["model_name", "model_version", "feature", "bin", "above", "up_to", "share", "gain_share"]
    rows = []
    for feature, edges in features.items():
        borders = [None, *edges, None]
        rows.append(("m", 1, feature, -1, None, None, 0.25, 0.5))
        rows += [("m", 1, feature, n, borders[n], borders[n + 1], 0.75, 0.5) for n in range(len(edges) + 1)]
    types = [pa.string(), pa.int32(), pa.string(), pa.int32(), *[pa.float64()] * 4]
    return pa.table(
        [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)], names
    )


def edges_of(features: dict[str, list[float]]) -> dict:
    """The same edges as bin_edges returns them."""
    return {"m": {feature: [repr(float(edge)) for edge in edges] for feature, edges in features.items()}}


@pytest.mark.parametrize("macro", BIN_COUNTS)
@pytest.mark.parametrize("seed", range(2))
def test_binned_shares_are_counts_over_everybody(project, seed, macro):
    generator = np.random.default_rng(seed)
    training, tonight = np.round(generator.normal(size=2000), 1), np.round(generator.normal(0.4, 1, 500), 1)
    is_null = generator.random(500) < 0.2
    edges = metrics.quantile_edges(training)
    rows = pa.table({"key": ["k"] * 500, "x_now": pa.array(tonight, mask=is_null), "unknown": [1.0] * 500})
    columns = {"x_now": "x", "unknown": "unknown"}
    sql = f"""
        with counted as (
            {{{{ {macro}('observed', {columns}, 'm', 'profile', {edges_of({"x": edges})}) }}}}
        ),
        {{{{ binned_shares('counted', 'profile') }}}}
        select bin, reference_share, actual_share, case_count from binned_shares order by bin
    """
    found = project.query(sql, tables={"profile": profile_of({"x": edges.tolist()}), "observed": rows})
    counts = [is_null.sum(), *metrics.bin_counts(tonight[~is_null], edges)]
    assert [row[0] for row in found] == list(range(-1, len(edges) + 1))
    assert [row[1] for row in found] == [0.25] + [0.75] * (len(edges) + 1)
    assert [row[2] for row in found] == [count / 500 for count in counts]
    assert {row[3] for row in found} == {500}


@pytest.mark.parametrize("macro", BIN_COUNTS)
@pytest.mark.parametrize(
    ("edges", "values", "expected"),
    [
        ([], [1, None, 2], {-1: 1, 0: 2}),
        ([0.0], [0, None, 0], {-1: 1, 0: 2}),
        ([0.0], [1, 1, 1], {1: 3}),
        ([0.1, 0.2], [0.1, 0.2, 0.30000000000000004], {0: 1, 1: 1, 2: 1}),
        ([1.0], [None, None, None], {-1: 3}),
    ],
)
def test_bin_counts_at_the_edges(project, edges, values, expected, macro):
    rows = pa.table({"x": pa.array(values, pa.float64())})
    call = f"{{{{ {macro}('observed', {{'x': 'x'}}, 'm', 'profile', {edges_of({'x': edges})}) }}}}"
    tables = {"profile": profile_of({"x": edges}), "observed": rows}
    found = project.query(f"select bin, row_count from ({call}) where row_count > 0", tables=tables)
    assert dict(found) == expected
    known = [value for value in values if value is not None]
    extremes = project.query(f"select min(lowest), max(highest) from ({call})", tables=tables)
    assert extremes == [(min(known, default=None), max(known, default=None))]


@pytest.mark.parametrize("macro", BIN_COUNTS)
def test_bin_counts_of_nobody_are_nothing(project, macro):
    rows = pa.table({"x": pa.array([], pa.float64())})
    sql = f"{{{{ {macro}('observed', {{'x': 'x'}}, 'm', 'profile', {edges_of({'x': [1.0]})}) }}}}"
    assert project.query(sql, tables={"profile": profile_of({"x": [1.0]}), "observed": rows}) == []


# --- windows

STATS = ["avg", "max", "min", "sum", "slope", "std", "change", "since", "last", "seen"]
WINDOWS = [1, 3, 6, 12, 24]
ASKED = [(stat, months) for stat in STATS for months in WINDOWS]
# Two ways to compute the parts of each account: from a row per month, or from months side by side.
WAYS = {
    "grouped": """
        select account_id{% for part in parts %}, {{ nightbook._grouped_part(part) }} as {{ part.name }}{% endfor %}
        from panel
        group by account_id
    """,
    "kept": """
        select
            account_id
            {% for part in parts %}, {{ nightbook._kept_part(part, 'now', 'closed') }} as {{ part.name }}{% endfor %}
        from (select account_id, MEASURE_0 as MEASURE from side_by_side) as now
        left join (select account_id, {{ closed_windows(parts) }} from side_by_side) as closed using (account_id)
    """,
}
# Measure -> its type. The name marks a flag, which is stored in a byte.
MEASURES = {"ratio": pa.decimal128(18, 6), "amount": pa.decimal128(18, 2), "days": pa.int32(), "is_flag": pa.int8()}


def window_sql(measure: str, way: str, asked: list[tuple[str, int]] = ASKED) -> str:
    columns = "".join(f", {{{{ window_stat('{measure}', '{stat}', {months}) }}}}" for stat, months in asked)
    parts = WAYS[way].replace("MEASURE", measure)
    return f"""
        {{%- set parts = window_parts({features(measure, asked)}) -%}}
        with parts as ({parts})
        select account_id{columns} from parts order by account_id
    """


def features(measure: str, asked: list[tuple[str, int]]) -> list[dict]:
    """What windowed_features would return for these statistics and months."""
    found = [WindowedFeature(f"{stat}_{months}", measure, stat, months, "double") for stat, months in asked]
    return [asdict(one) | {"parts": one.parts} for one in found]


def expected_stat(months_to_value: dict[int, Decimal | None], stat: str, months: int) -> float | None:
    """The statistic as its docstring defines it, computed differently from the macro's sums."""
    seen = {ago: float(x) for ago, x in months_to_value.items() if ago < months and x is not None}
    now, then = months_to_value.get(0), months_to_value.get(months)
    ago, x = np.array([-ago for ago in seen], dtype=float), np.array(list(seen.values()))
    match stat:
        case "seen":
            return len(seen)
        case "last":
            return None if now is None else float(now)
        case "change":
            return None if now is None or then is None else float(now - then)
        case "since":
            return min((ago for ago, value in seen.items() if value > 0), default=None)
        case "slope":
            return float(np.polyfit(ago, x, 1)[0]) if len(seen) > 1 else None
        case "std" | "avg":
            return float({"std": np.std, "avg": np.mean}[stat](x)) if seen else None
    return float({"max": np.max, "min": np.min, "sum": np.sum}[stat](x)) if seen else None


def random_panels(seed: int, measure: str) -> dict[str, dict[int, Decimal | None]]:
    """Accounts with gaps and nulls, young ones, one of nulls only, one with one month per window, and extremes."""
    generator = np.random.default_rng(seed)
    panels = {
        f"A{number:03d}": {
            ago: None if generator.random() < 0.2 else Decimal(int(generator.integers(-2_000_000, 9_000_000))) / 10**6
            for ago in range(int(generator.integers(1, 27)))
            if generator.random() < 0.85
        }
        for number in range(80)
    }
    panels["NULLS"], panels["FLAT"] = {0: None, 5: None}, {ago: Decimal("0.1") for ago in range(25)}
    panels["OLD"], panels["ZERO"] = {24: Decimal(7)}, {0: Decimal(0), 3: Decimal(0)}
    # At the limits of a ratio, whose square does not fit into its type.
    panels["CEILING"], panels["FLOOR"] = ({ago: Decimal(x) for ago in range(25)} for x in (1000, -1000))
    panels["BETWEEN"] = {ago: Decimal(1000 if ago % 2 else -1000) for ago in range(25)}
    return {
        name: {ago: x if x is None else of_measure(x, measure) for ago, x in panel.items()}
        for name, panel in panels.items()
        if panel
    }


def of_measure(x: Decimal, measure: str) -> Decimal:
    match measure:
        case "is_flag":
            return Decimal(x > 0)
        case "days":
            return Decimal(int(x))
        case "amount":
            return x.quantize(Decimal("0.01"))
    return x


def panel_tables(panels: dict[str, dict[int, Decimal | None]], measure: str) -> dict[str, pa.Table]:
    """The same rows in the form that each way reads."""

    def column(values) -> pa.Array:
        is_whole = pa.types.is_integer(MEASURES[measure])
        return pa.array([int(x) if is_whole and x is not None else x for x in values], MEASURES[measure])

    rows = [(name, ago, x) for name, panel in panels.items() for ago, x in panel.items()]
    np.random.default_rng(5).shuffle(rows)
    names, months, xs = zip(*rows, strict=True)
    side_by_side = {f"{measure}_{ago}": column(panel.get(ago) for panel in panels.values()) for ago in range(25)}
    return {
        "panel": pa.table({"account_id": names, "months_ago": pa.array(months, pa.int32()), measure: column(xs)}),
        "side_by_side": pa.table({"account_id": list(panels), **side_by_side}),
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("way", WAYS)
def test_window_stat_on_random_panels(project, way, measure, threads):
    panels = random_panels(11, measure)
    found = project.query(window_sql(measure, way), tables=panel_tables(panels, measure), threads=threads, windows=way)
    assert [row[0] for row in found] == sorted(panels)
    for name, *actual in found:
        for (stat, months), value in zip(ASKED, actual, strict=True):
            wanted = expected_stat(panels[name], stat, months)
            # Half a unit of the sixth place, because the macro rounds.
            assert value == (None if wanted is None else pytest.approx(wanted, abs=5.1e-7)), (name, stat, months)


@pytest.mark.parametrize("way", WAYS)
def test_window_stat_holds_large_amounts(project, way):
    """Larger than any real debt in any currency, over the longest window. Amounts have no deviation."""
    largest = Decimal("99999999999999.99")
    panels = {"MOST": dict.fromkeys(range(25), largest), "LEAST": dict.fromkeys(range(25), -largest)}
    asked = [(stat, 24) for stat in ("sum", "avg", "max", "min", "last", "slope", "change", "seen")]
    found = project.query(window_sql("amount", way, asked), tables=panel_tables(panels, "amount"), windows=way)
    amount, near = float(largest), {"rel": 1e-12, "abs": 0.01}
    assert found == [
        ("LEAST", *(pytest.approx(x, **near) for x in (-24 * amount, -amount, -amount, -amount, -amount, 0, 0, 24))),
        ("MOST", *(pytest.approx(x, **near) for x in (24 * amount, amount, amount, amount, amount, 0, 0, 24))),
    ]


# Enough rows for both threads to get some, in another order for each salt. No account has every month.
MADE = """
    create table panel as
    select
        account_id,
        months_ago,
        cast(nullif(hash(account_id, months_ago) % 9000001, 0) / 1000000 - 3 as decimal(18, 6)) as ratio,
        cast(hash(account_id, months_ago) % 90 as integer) as days,
        cast(hash(account_id, months_ago) % 2 as tinyint) as is_flag
    from (select range as account_id from range(12000)) cross join (select range as months_ago from range(25))
    where hash(account_id * 31 + months_ago) % 10 > 0
    order by hash(months_ago, account_id, {salt})
"""


def test_window_stat_does_not_depend_on_threads_or_row_order(project):
    """The bits are the same, not just close."""
    sql = window_sql("ratio", "grouped")
    runs = [
        project.query(sql, [MADE.format(salt=salt)], threads=threads, windows="grouped")
        for salt, threads in ((1, 1), (2, 2))
    ]
    assert len(runs[0]) == 12000
    assert runs[0] == runs[1]


@pytest.mark.parametrize("measure", ["ratio", "days", "is_flag"])
def test_window_stat_is_the_same_either_way(project, measure):
    """The bits are the same, including the sign of a zero."""
    months = ", ".join(f"max(case when months_ago = {ago} then {measure} end) as {measure}_{ago}" for ago in range(25))
    setup = [
        MADE.format(salt=1),
        f"create table side_by_side as select account_id, {months} from panel group by account_id",
    ]
    runs = [project.query(window_sql(measure, way), setup, threads=2, windows=way) for way in WAYS]
    assert len(runs[0]) == 12000
    assert [row for row in zip(*runs, strict=True) if repr(row[0]) != repr(row[1])] == []


def made_up(measure: str, salt: str) -> str:
    """A value of the measure's type that depends only on account, month and salt. One in five is null."""
    number = f"hash(account_id, month_start, '{measure}', '{salt}')"
    kinds = {
        ("is_",): f"cast({number} % 2 as tinyint)",
        ("days_", "payment_count", "returned_count"): f"cast({number} % 90 as integer)",
        ("utilization", "payment_ratio", "paydown_ratio", "paid_to"): (
            f"cast(greatest(least({number} % 2600000 / 1000.0 - 1300, 1000), -1000) as decimal(18, 6))"
        ),
        ("",): f"cast({number} % 10000000 / 100.0 - 5000 as decimal(18, 2))",
    }
    value = next(sql for prefixes, sql in kinds.items() if measure.startswith(prefixes))
    return f"case when hash({number}) % 5 > 0 then {value} end as {measure}"


@pytest.fixture(params=[0, 1], ids=["whole month", "running month"])
def book(project, request):
    """300 accounts as of a day in June 2024, in the session's warehouse, where dbt looks when it compiles.

    Some are young and some have gaps. Some months must not be seen by any window: older ones, a later June, and July.
    """
    names = project.compile("{{ measure_names() | join(' ') }}").split()
    block = project.compile("{{ account_block('account_id') }} as account_block")
    accounts = "(select 'A' || range as account_id, range as number from range(300))"
    months = (
        "(select cast(unnest(range(date '2022-04-01', date '2024-08-01', interval 1 month)) as date) as month_start)"
    )
    panel, windows = (
        (ROOT / "models" / "intermediate" / "tonight" / f"{name}.sql").read_text()
        for name in ("int_account_panel", "int_closed_windows")
    )
    with duckdb.connect(project.home / "warehouse.duckdb") as connection:
        for statement in (
            "drop schema if exists intermediate cascade",
            "create schema intermediate",
            "create table intermediate.int_run as select 'made up' as run_id, date '2024-06-15' as as_of_date",
            f"""
            create table intermediate.int_as_of_dates as
            select date '2024-06-15' as as_of_date, {request.param} as month_lag
            """,
            f"""
            create table intermediate.int_window_changes as
            select 'whole' as change, cast(null as date) as month_start, cast(null as varchar) as run_id
            union all
            select 'month', date '2024-0{6 - request.param}-01', null
            """,
            f"""
            create table intermediate.int_open_months as
            select account_id, date '2024-06-15' as as_of_date, month_start, {block}, {request.param} as month_lag,
            {", ".join(made_up(name, "open") for name in names)}, days_past_due + 1 as days_past_due_now
            from {accounts} cross join (select date '2024-06-01' as month_start)
            """,
            f"""
            create table intermediate.int_closed_months as
            select account_id, month_start, {block}, {", ".join(made_up(name, "closed") for name in names)}
            from {accounts} cross join {months}
            where hash(account_id, month_start) % 10 > 0 and date_diff('month', month_start, date '2024-06-01') < number
            """,
            """
            create table intermediate.int_account_book as
            select account_id, account_block from intermediate.int_open_months
            """,
            f"create view intermediate.int_account_panel as {project.compile(panel)}",
        ):
            connection.execute(statement)
    # Compiled for each parameter, because the SQL depends on the dates.
    compiled = project.compile(windows, dates=request.node.name)
    with duckdb.connect(project.home / "warehouse.duckdb") as connection:
        connection.execute(f"create table intermediate.int_closed_windows as {compiled}")
    yield project.home / "warehouse.duckdb"
    with duckdb.connect(project.home / "warehouse.duckdb") as connection:
        connection.execute("drop schema intermediate cascade")


def rows_of(book: Path, compiled: str) -> list[tuple]:
    with duckdb.connect(book, read_only=True) as connection:
        return connection.execute(f"select * from ({compiled}) order by account_id").fetchall()


def test_behaviour_is_the_same_either_way(project, book):
    """Every feature of the model, to the bit, from the stored months."""
    model = (ROOT / "models" / "features" / "accounts" / "feat_account_behaviour.sql").read_text()
    runs = [rows_of(book, project.compile(model, windows=way)) for way in WAYS]
    assert len(runs[0]) == len(runs[1]) == 300
    assert [row for row in zip(*runs, strict=True) if repr(row[0]) != repr(row[1])] == []
    assert not any(column.count(None) > 200 for column in zip(*runs[0], strict=True))


PARENTS = "ref('int_account_panel'), ref('int_open_months'), ref('int_closed_windows')"


def test_a_book_taken_in_turns_is_the_same_book(project, book):
    """Each account is in exactly one turn, whatever their number; at most 64, one per block."""
    asked = features("balance", [("avg", 24), ("seen", 24)])
    compiled = project.compile(f"{{{{ over_months({asked}, {PARENTS}) }}}}", windows="kept")
    whole = rows_of(book, compiled)
    assert len(whole) == 300
    for accounts_at_a_time, turns in ((600, 1), (299, 2), (150, 3), (43, 7), (1, 64)):
        statements = project.compile(
            "-- depends_on: {{ ref('int_account_book') }}\n"
            f"{{{{ in_turns('insert into turned select * from turn', {accounts_at_a_time}) }}}}"
        )
        assert statements.count("insert into turned") == turns
        with duckdb.connect(book) as connection:
            connection.execute(f"create temp view turn as {compiled}")
            connection.execute("create temp table turned as select * from turn limit 0")
            connection.execute(statements)
            assert connection.execute("select * from turned order by account_id").fetchall() == whole
            assert connection.execute("select count(*) from turn").fetchone() == (300,)


def test_window_stat_refuses_what_it_does_not_know(project, capfd):
    with pytest.raises(Exception, match="inline"):
        project.compile("{{ window_stat('x', 'median', 3) }}")
    assert "window_stat: unknown statistic 'median' for x; use avg, max, min, sum" in capfd.readouterr().out


# --- measures


def test_ratio(project):
    cases = [
        # Numerator, denominator, expected.
        ("1.00", "3.00", Decimal("0.333333")),
        ("2.00", "3.00", Decimal("0.666667")),
        ("-1.00", "3.00", Decimal("-0.333333")),
        ("0.00", "3.00", Decimal("0")),
        ("1.00", "0.00", None),
        ("1.00", "-3.00", None),
        (None, "3.00", None),
        ("1.00", None, None),
        (None, None, None),
        (None, "0.00", None),
        ("1001.00", "1.00", Decimal("1000")),
        ("-1001.00", "1.00", Decimal("-1000")),
        ("1000.00", "1.00", Decimal("1000")),
        ("9999999999999999.99", "0.01", Decimal("1000")),
    ]
    rows = values([(number, *case[:2]) for number, case in enumerate(cases)], "number, a, b")
    made = f"(select number, cast(a as decimal(18, 2)) as a, cast(b as decimal(18, 2)) as b from {rows}) as typed"
    found = project.query(
        "select {{ ratio('a', 'b') }}, {{ ratio('a - 0', 'b + 0', limit=2) }} from " + made + " order by number"
    )
    assert [row[0] for row in found] == [case[2] for case in cases]
    assert [row[1] for row in found] == [
        None if case[2] is None else max(min(case[2], Decimal(2)), Decimal(-2)) for case in cases
    ]


def test_flag(project):
    sql = "select x, {{ flag('x > 0') }}, {{ flag('x > 0 or x < -1') }} from "
    found = project.query(sql + values([(1,), (0,), (-2,), (None,)], "x") + " order by x nulls last")
    assert found == [(-2, 0, 1), (0, 0, 0), (1, 1, 1), (None, None, None)]


def test_at_least(project):
    sql = "select x, {{ at_least('x', 0) }}, {{ at_least('x', 'floor') }} from "
    rows = values([(5, 7), (-5, -9), (None, 0), (3, None), (0, 0)], "x, floor")
    found = project.query(sql + rows + " order by x nulls last")
    # A null floor has no effect.
    assert found == [(-5, 0, -5), (0, 0, 0), (3, 3, 3), (5, 5, 7), (None, None, None)]


def test_scaled_score(project):
    pds = [0.0, 1e-9, 1e-6, 0.001, 1 / 61, 1 / 31, 1 / 16, 0.05, 0.2, 0.5, 0.9, 0.999999, 1.0]
    pds += np.random.default_rng(2).random(200).tolist()
    policies = [(600.0, 30.0, 20.0), (500.0, 1.0, 40.0)]
    sql = (
        "select offset_points, pd, {{ scaled_score('pd') }} from "
        + values([(pd,) for pd in pds], "pd")
        + " cross join (select a as score_offset, b as score_odds, c as score_points_to_double, a as offset_points from"
        + values(policies, "a, b, c")
        + ") as policy"
    )
    found = {(offset, pd): score for offset, pd, score in project.query(sql)}
    for offset, odds, points in policies:
        for pd in pds:
            inner = min(max(pd, 1e-6), 1 - 1e-6)
            exact = offset + points * math.log2((1 - inner) / inner / odds)
            assert found[offset, pd] == pytest.approx(exact, abs=0.5 + 1e-9)
    assert (found[600.0, 1 / 31], found[600.0, 1 / 61], found[600.0, 1 / 16]) == (600, 620, 580)


# --- dates

DAYS = [date(2023, 12, 1) + timedelta(days=number) for number in range(125)] + [
    date(2000, 2, 29),
    date(1900, 2, 28),
    date(2096, 2, 29),
    date(2024, 11, 30),
]


def later(day: date, months: int) -> date:
    """dateutil's answer, with a month-end staying a month-end."""
    moved = day + relativedelta(months=months)
    is_month_end = (day + timedelta(days=1)).day == 1
    return moved + relativedelta(day=31) if is_month_end else moved


def test_add_months(project):
    months = [-25, -12, -1, 0, 1, 2, 3, 6, 11, 12, 13, 24, 48]
    sql = (
        "select day, months, {{ add_months('day', 'months') }} from "
        + values([(day,) for day in DAYS], "day")
        + " cross join "
        + values([(number,) for number in months], "months").replace("cases", "steps")
    )
    found = {(day, number): moved for day, number, moved in project.query(sql)}
    assert found == {(day, number): later(day, number) for day in DAYS for number in months}
    assert found[date(2024, 2, 29), 12] == date(2025, 2, 28)
    assert found[date(2024, 1, 30), 1] == date(2024, 2, 29)


def test_add_months_keeps_september_to_october(project):
    sql = "select {{ add_months(\"date '2005-09-30'\", 1) }}, {{ add_months(\"date '2023-02-28'\", 12) }}"
    assert project.query(sql) == [(date(2005, 10, 31), date(2024, 2, 29))]


def test_months_and_days_between(project):
    pairs = [(a, b) for a in DAYS[::9] for b in DAYS[::7]]
    sql = "select a, b, {{ months_between('a', 'b') }}, {{ days_between('a', 'b') }} from " + values(pairs, "a, b")
    found = {(a, b): (months, days) for a, b, months, days in project.query(sql)}
    assert found == {(a, b): ((b.year - a.year) * 12 + b.month - a.month, (b - a).days) for a, b in pairs}


def test_add_days(project):
    steps = [-366, -1, 0, 1, 28, 365]
    sql = (
        "select day, days, {{ add_days('day', 'days') }} from "
        + values([(day,) for day in DAYS], "day")
        + " cross join "
        + values([(number,) for number in steps], "days").replace("cases", "steps")
    )
    found = {(day, number): moved for day, number, moved in project.query(sql)}
    assert found == {(day, number): day + timedelta(days=number) for day in DAYS for number in steps}


def test_month_start_and_end(project):
    sql = "select day, {{ month_start('day') }}, {{ month_end('day') }} from " + values([(day,) for day in DAYS], "day")
    found = {day: ends for day, *ends in project.query(sql)}
    assert found == {day: [day.replace(day=1), day + relativedelta(day=31)] for day in DAYS}


def test_months_between_holds_in_an_expression(project):
    """It can be subtracted and compared without parentheses."""
    sql = """
        select
            10 - {{ months_between("date '2024-01-31'", "date '2024-03-01'") }},
            2 * {{ months_between("date '2023-12-31'", "date '2024-01-01'") }}
    """
    assert project.query(sql) == [(8, 2)]


def test_due_date(project):
    openings = [date(2020, 1, number) for number in (1, 5, 27, 28, 29, 30, 31)]
    pairs = [(opening, day) for opening in openings for day in DAYS[::5]]
    sql = "select opened_on, day, {{ due_date('opened_on', 'day') }} from " + values(pairs, "opened_on, day")
    found = {(opened_on, day): due for opened_on, day, due in project.query(sql)}
    assert found == {(opened_on, day): day.replace(day=min(opened_on.day, 28)) for opened_on, day in pairs}


# --- keys


def bucket(key: str, salt: str) -> int:
    return int(hashlib.md5(f"{salt}:{key}".encode()).hexdigest()[:8], 16) % 100


def test_hash_bucket_is_what_it_was(project):
    """Fixed values: a changed hash would move customers between training and holdout."""
    known = {("C1", "holdout"): 34, ("C1", "validation"): 84, ("C2", "holdout"): 8, ("C22", "holdout"): 0}
    known |= {("C22", "validation"): 98, ("C37", "validation"): 30, ("é", "holdout"): bucket("é", "holdout")}
    keys = values([(key,) for key in sorted({key for key, _ in known})], "key")
    found = {
        (key, salt): number
        for salt in ("holdout", "validation")
        for key, number in project.query("select key, {{ hash_bucket('key', '" + salt + "') }} from " + keys)
    }
    for pair, expected in known.items():
        assert found[pair] == bucket(*pair) == expected, pair


def test_hash_share_is_that_of_python(project):
    keys = [f"C{number}" for number in range(200)]
    sql = "select key, {{ hash_share('key', 'training sample') }} from " + values([(key,) for key in keys], "key")
    digests = {key: hashlib.md5(f"training sample:{key}".encode()).hexdigest() for key in keys}
    assert {key: float(share) for key, share in project.query(sql)} == {
        key: pytest.approx(int(digest[:8], 16) / 2**32, abs=1e-9) for key, digest in digests.items()
    }


def test_hash_bucket_is_even_and_salted(project):
    keys = [f"C{number:07d}" for number in range(20000)]
    sql = "select key, {{ hash_bucket('key', 'holdout') }}, {{ hash_bucket('key', 'validation') }} from cases"
    found = project.query(sql, tables={"cases": pa.table({"key": keys})}, threads=2)
    assert {key: (a, b) for key, a, b in found} == {
        key: (bucket(key, "holdout"), bucket(key, "validation")) for key in keys
    }
    for column in (1, 2):
        counts = Counter(row[column] for row in found)
        assert counts.keys() == set(range(100))
        assert stats.chisquare(list(counts.values())).pvalue > 0.001
    assert abs(np.corrcoef([row[1] for row in found], [row[2] for row in found])[0, 1]) < 0.02


def test_account_blocks_are_of_one_size(project):
    keys = pa.table({"key": [f"A{number:07d}" for number in range(20000)]})
    blocks = [row[0] for row in project.query("select {{ account_block('key') }} from cases", tables={"cases": keys})]
    counts = Counter(blocks)
    assert counts.keys() == set(range(64))
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


# --- splits


@pytest.mark.parametrize("cohorts", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("holdout_percent", [25, 100])
def test_split_cases_never_put_a_customer_on_two_sides(project, cohorts, holdout_percent):
    generator = np.random.default_rng(cohorts)
    cases = [
        (f"A{number}-{recency}", f"C{generator.integers(400)}", recency)
        for number in range(300)
        for recency in range(1, cohorts + 1)
        if generator.random() < 0.8
    ]
    table = pa.table(
        {
            "entity_id": [case[0] for case in cases],
            "customer_id": [case[1] for case in cases],
            "as_of_date": pa.array([date(2024, 1, 31)] * len(cases)),
            "recency": [case[2] for case in cases],
            "cohorts": [cohorts] * len(cases),
            "is_default": [0] * len(cases),
        }
    )
    sql = """
        with policy as (select 3 as holdout_cohorts, 25 as holdout_percent, 15 as validation_percent),
        {{ split_cases('cases', 'policy.holdout_cohorts', '%s') }}
        select entity_id, split from split_cases
    """
    found = dict(project.query(sql % holdout_percent, tables={"cases": table}))
    held_cohorts = min(3, cohorts // 3)
    share = holdout_percent if cohorts >= 3 else 25
    is_held = {
        entity: bucket(customer, "holdout") < share and (cohorts < 3 or recency <= held_cohorts)
        for entity, customer, recency in cases
    }
    held_customers = {customer for entity, customer, _ in cases if is_held[entity]}
    expected = {}
    for entity, customer, recency in cases:
        if is_held[entity]:
            expected[entity] = "holdout"
        elif recency > held_cohorts and customer not in held_customers:
            expected[entity] = "validation" if bucket(customer, "validation") < 20 else "train"
    assert found == expected
    sides = {(customer, found[entity]) for entity, customer, _ in cases if entity in found}
    assert len(sides) == len({customer for customer, _ in sides})
    assert {"holdout", "validation", "train"} == set(found.values())


# --- columns


def test_feature_columns_are_those_of_the_catalog(project):
    with (ROOT / "seeds" / "reference" / "feature_catalog.csv").open() as lines:
        catalog = [(row["model_name"], row["name"]) for row in csv.DictReader(lines)]
    for model, relation, key in (
        ("account_pd", "feat_accounts", "account_id"),
        ("application_pd", "feat_applications", "application_id"),
    ):
        call = f"{{{{ feature_columns('{relation}', keys=['{key}', 'as_of_date']) | join(' ') }}}}"
        assert project.compile(call).split() == [name for owner, name in catalog if owner == model]


def test_unpivot_numbers_keeps_nulls(project):
    sql = "{{ unpivot_numbers('cases', {'a': 'first', 'b': 'b'}) }} order by feature, value nulls last"
    rows = pa.table({"key": ["k1", "k2"], "a": [1, None], "b": [0.5, 0.25], "left_out": [9, 9]})
    assert project.query(sql, tables={"cases": rows}) == [("b", 0.25), ("b", 0.5), ("first", 1.0), ("first", None)]
