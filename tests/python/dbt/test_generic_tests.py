"""Each generic test of tests/generic, on rows on which it must fail and on rows on which it must pass."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GENERIC = ROOT / "tests" / "generic"
RUN = "create table warehouse.intermediate.int_run as select date '2024-06-30' as as_of_date"
# dbt reads this relation's columns from its own warehouse, so it is created while the test compiles.
TYPED = """
    {%- do run_query("create or replace temp table typed_features as select 'A1' as account_id, " ~ columns) -%}
    {{ test_matches_catalog(
        model=api.Relation.create(identifier='typed_features'), model_name='account_pd', keys=['account_id']) }}
"""
CATALOG = """
    create table warehouse.reference.feature_catalog as
    select * from (values
        ('account_pd', 'dpd_current', 'integer'), ('account_pd', 'utilization', 'double'),
        ('application_pd', 'stated_income', 'double')
    ) as catalog (model_name, name, data_type)
"""


@dataclass(frozen=True)
class Case:
    """A call of a generic test, its setup, and the rows that it must return. No rows if it must pass."""

    test: str
    because: str
    call: str
    setup: tuple[str, ...]
    failing: tuple[tuple, ...] = ()


def typed(columns: str) -> str:
    return '{%- set columns = "' + columns + '" -%}' + TYPED


def rows(values: str, columns: str, name: str = "cases") -> str:
    return f"create table {name} as select * from (values {values}) as made ({columns})"


def psi_rows(values: str, case_count: int = 200) -> str:
    return (
        "create table drift as select model_name, feature, cast(as_of_date as date) as as_of_date, value, psi, "
        f"{case_count} as case_count from (values {values}) as made (model_name, feature, as_of_date, value, psi)"
    )


def drifted(values: str) -> str:
    return (
        "create table drift as"
        " select 'm' as model_name, 'x' as feature, 0.3 as value, 0.25 as alert_at, 0.1 as gain_share,"
        " cast(as_of_date as date) as as_of_date, status, is_important, is_overridden"
        f" from (values {values}) as made (as_of_date, status, is_important, is_overridden)"
    )


NO_ALERT = "{{ test_no_alert(model='drift', is_important=true) }}"
WARNED = "{{ test_nothing_to_warn_of(model='cases') }}"
EMPTY = "create table cases as select 1 as x where 1 = 0"
KEYED = "{{ test_keeps_rules(model='cases', unique=['a', 'b']) }}"
RULES = """
    {%- set node = {'name': 'cases', 'columns': {
        'b': {'name': 'b', 'meta': {'rules': ['unique', {'not_null': true, 'description': 'A row has no b.'}]}},
        'c': {'name': 'c', 'meta': {'rules': [{'accepted_range': [0, 1]}]}},
        'd': {'name': 'd', 'meta': {'rules': [{'accepted_values': ['a', 'b']}]}},
        'e': {'name': 'e', 'meta': {}}
    }} -%}
    {{ broken_rules('cases', rules_of(node), ['a']) }}
"""
LISTED = (
    "{{ broken_rules('cases', [{'column': 'a', 'kind': 'accepted_values', 'limits': [1, 3], 'description': ''}]) }}"
)
SIDES = "{{ test_customers_on_one_side(model='cases') }}"
PSI = "{{ test_psi_below(model='drift', max_psi=0.25) }}"
ANSWERED_PSI = "{{ test_psi_below(model='drift', unless='value > 5') }}"
SCORE_PSI = "{{ test_psi_below(model='drift', max_psi=1, psi='psi', subject='model_name') }}"
AS_OF = "{{ test_not_empty_as_of(model='cases') }}"
STATE = "{{ test_not_in_state(model='cases', column_name='status', state='alert') }}"
VERSIONS = "{{ test_versions_are_unique(model='cases', grain=['id', 'day']) }}"
LANDED = "{{ test_versions_are_unique(model='cases', grain=['id'], landed_as='payments') }}"
LANDED_BY_MONTH = (
    "{{ test_versions_are_unique(model='cases', grain=['id'], landed_as='payments', month_of='paid_on') }}"
)
LOADED_AT = "timestamp '2024-07-01'"
# Load L2 is new to this run. L1 was new to an earlier run.
TONIGHT = "create table warehouse.intermediate.int_run as select 'R2' as run_id, date '2024-06-30' as as_of_date"
LANDINGS = """
    create table warehouse.intermediate.int_landings as
    select * from (values
        ('R2', 'payments', date '2024-06-01', 'L1', null),
        ('R2', 'payments', date '2024-06-01', 'L2', timestamp '2024-06-30'),
        ('R2', 'payments', date '2024-05-01', 'L2', null),
        ('R1', 'payments', date '2024-06-01', 'L1', timestamp '2024-06-30'),
        ('R2', 'accounts', null, 'L1', timestamp '2024-06-30')
    ) as landings (run_id, relation_name, month_start, load_id, new_after)
"""
INPUTS = "{{ test_every_score_has_inputs(model='cases') }}"
SCORED = """
    create table warehouse.marts.fct_account_scores as
    select * from (values
        ('R2', 'A1', date '2024-06-30'), ('R2', 'A2', date '2024-06-30'), ('R1', 'A3', date '2024-06-29')
    ) as scores (run_id, account_id, as_of_date)
"""
POSSIBLE = "{{ test_is_possible(model='cases') }}"
RANGES = """
    create table warehouse.reference.feature_catalog as
    select * from (values ('m', 'w', 0, 1), ('m', 'x', 0, 1), ('n', 'x', -9, 9))
        as catalog (model_name, name, lowest, highest)
"""
PROFILE = "model_name, feature, lowest, highest"
EXPOSED = "{{ test_has_exposure(model='cases') }}"
BOOK = "account_id, as_of_date, product, balance, credit_limit"
ADD_UP = "{{ test_contributions_add_up(model='parts', scores='scores', tolerance=0.001) }}"
LOADED = "id, day, _loaded_at"
SCORES = "create table scores as select 'P1' as application_id, 1 as as_of_date, 0.5 as margin"

CASES = [
    Case(
        "has_exposure",
        "no_balance_and_no_limit",
        EXPOSED,
        (
            TONIGHT,
            rows(
                "('A1', date '2024-06-30', 'personal_loan', null, 5),"
                " ('A2', date '2024-06-30', 'credit_line', 1, null),"
                " ('A3', date '2024-06-30', 'credit_line', 1, 5)",
                BOOK,
            ),
        ),
        (("A1", "personal_loan", None, 5), ("A2", "credit_line", 1, None)),
    ),
    Case(
        "has_exposure",
        "a_loan_without_a_limit_and_another_date",
        EXPOSED,
        (
            TONIGHT,
            rows("('A1', date '2024-06-30', 'personal_loan', 1, null), ('A2', date '2023-06-30', null, null, 5)", BOOK),
        ),
    ),
    Case("not_empty", "no_row", "{{ test_not_empty(model='cases') }}", (EMPTY,), ((0,),)),
    Case("not_empty", "one_row", "{{ test_not_empty(model='cases') }}", (rows("(null)", "x"),)),
    Case(
        "not_empty_as_of", "another_date", AS_OF, (RUN, rows("(date '2024-05-31')", "as_of_date")), (("2024-06-30",),)
    ),
    Case(
        "not_empty_as_of",
        "never_filled",
        AS_OF,
        (RUN, "create table cases as select date '2024-06-30' as as_of_date where 1 = 0"),
        (("2024-06-30",),),
    ),
    Case("not_empty_as_of", "null_date", AS_OF, (RUN, rows("(null::date)", "as_of_date")), (("2024-06-30",),)),
    Case("not_empty_as_of", "that_date", AS_OF, (RUN, rows("(date '2024-05-31'), (date '2024-06-30')", "as_of_date"))),
    Case(
        "not_in_state",
        "alert_tonight",
        STATE,
        (RUN, rows("(date '2024-06-30', 'alert'), (date '2024-06-30', 'ok')", "as_of_date, status")),
        (("2024-06-30", "alert"),),
    ),
    Case(
        "not_in_state",
        "other_state_and_other_night",
        STATE,
        (RUN, rows("(date '2024-05-31', 'alert'), (date '2024-06-30', 'warn')", "as_of_date, status")),
    ),
    Case(
        "no_alert",
        "alert_tonight",
        NO_ALERT,
        (RUN, drifted("('2024-06-30', 'alert', true, false)")),
        (("m", "x", 0.3, 0.25, 0.1),),
    ),
    Case(
        "no_alert",
        "small_overridden_warned_and_long_ago",
        NO_ALERT,
        (
            RUN,
            drifted(
                "('2024-06-30', 'alert', false, false), ('2024-06-30', 'alert', true, true),"
                " ('2024-06-30', 'warn', true, false), ('2024-05-31', 'alert', true, false)"
            ),
        ),
    ),
    Case(
        "nothing_to_warn_of",
        "warned_in_the_last_run",
        WARNED,
        (rows("(2, 'warn', 'late', 'r'), (2, 'ok', null, 'q')", "checked_at, status, message, rule"),),
        (("late", "r"),),
    ),
    Case(
        "nothing_to_warn_of",
        "stopped_or_warned_before",
        WARNED,
        (rows("(1, 'warn', 'late', 'r'), (2, 'stop', 'gone', 'q')", "checked_at, status, message, rule"),),
    ),
    Case(
        "keeps_rules",
        "each_kind_of_rule",
        RULES,
        (rows("(1, null, 2.0::double, 'x'), (1, 5, -0.5, 'a'), (3, 5, 'nan', null)", "a, b, c, d"),),
        (
            ("a", "unique", 2, "a=1", None),
            ("b", "not_null", 1, "a=1, b=null", "A row has no b."),
            ("b", "unique", 2, "b=5", None),
            ("c", "accepted_range 0, 1", 3, "a=1, c=-0.5", None),
            ("d", "accepted_values a, b", 1, "a=1, d=x", None),
        ),
    ),
    Case(
        "keeps_rules",
        "ends_and_nulls",
        RULES,
        (rows("(1, 4, 0.0::double, 'a'), (2, 5, 1.0, 'b'), (3, 6, null, null)", "a, b, c, d"),),
    ),
    Case(
        "keeps_rules",
        "same_key",
        KEYED,
        (rows("(1, 2), (1, 2), (1, 3)", "a, b"),),
        (("a, b", "unique", 2, "a=1, b=2", None),),
    ),
    Case("keeps_rules", "part_of_the_key", KEYED, (rows("(1, 2), (1, 3), (2, 2)", "a, b"),)),
    Case(
        "keeps_rules",
        "numbers_listed",
        LISTED,
        (rows("(1), (2)", "a"),),
        (("a", "accepted_values 1, 3", 1, "a=2", None),),
    ),
    Case(
        "is_possible",
        "too_low",
        POSSIBLE,
        (RANGES, rows("('m', 'x', -0.1, 1)", PROFILE)),
        (("m", "x", -0.1, 1, 0, 1),),
    ),
    Case(
        "is_possible",
        "one_of_two_too_high",
        POSSIBLE,
        (RANGES, rows("('m', 'w', 0, 1.1), ('m', 'x', 0, 1)", PROFILE)),
        (("m", "w", 0, 1.1, 0, 1),),
    ),
    Case(
        "is_possible",
        "not_a_number",
        POSSIBLE,
        (RANGES, rows("('m', 'x', 0, 'nan'::double)", PROFILE)),
        (("m", "x", 0, "nan", 0, 1),),
    ),
    Case(
        "is_possible",
        "without_a_range",
        POSSIBLE,
        (RANGES, rows("('m', 'y', 0, 1)", PROFILE)),
        (("m", "y", 0, 1, None, None),),
    ),
    Case(
        "is_possible",
        "ends_nulls_and_another_model",
        POSSIBLE,
        (RANGES, rows("('m', 'x', 0, 1), ('m', 'x', null, null), ('n', 'x', -9, 9)", PROFILE)),
    ),
    Case(
        "customers_on_one_side",
        "two_sides",
        SIDES,
        (rows("('C1', 'train'), ('C1', 'holdout'), ('C2', 'train')", "customer_id, split"),),
        (("C1", 2),),
    ),
    Case(
        "customers_on_one_side",
        "twice_on_one",
        SIDES,
        (rows("('C1', 'train'), ('C1', 'train'), ('C2', 'holdout')", "customer_id, split"),),
    ),
    Case(
        "psi_below",
        "at_the_bar",
        PSI,
        (RUN, psi_rows("('m', 'x', '2024-06-30', 0.25, 0), ('m', 'y', '2024-06-30', 0.24, 0)")),
        (("m", "x", 0.25),),
    ),
    Case(
        "psi_below",
        "score_bands_count_once",
        SCORE_PSI,
        (RUN, psi_rows("('m', 'a', '2024-06-30', 0, 1.5), ('m', 'b', '2024-06-30', 0, 1.5)")),
        (("m", "m", 1.5),),
    ),
    Case("psi_below", "below_the_bar", PSI, (RUN, psi_rows("('m', 'x', '2024-06-30', 0.249, 9)"))),
    Case("psi_below", "answered_for", ANSWERED_PSI, (RUN, psi_rows("('m', 'x', '2024-06-30', 9.0, 9)"))),
    Case("psi_below", "too_few_cases", PSI, (RUN, psi_rows("('m', 'x', '2024-06-30', 9.0, 9)", case_count=199))),
    Case("psi_below", "another_night", PSI, (RUN, psi_rows("('m', 'x', '2024-05-31', 9.0, 9)"))),
    Case(
        "versions_are_unique",
        "same_load_time",
        VERSIONS,
        (
            rows(
                "(1, 1, timestamp '2024-01-01'), (1, 1, timestamp '2024-01-01'), (1, 2, timestamp '2024-01-01')", LOADED
            ),
        ),
        ((1, 1, "2024-01-01 00:00:00", 2),),
    ),
    Case(
        "versions_are_unique",
        "a_correction",
        VERSIONS,
        (rows("(1, 1, timestamp '2024-01-01'), (1, 1, timestamp '2024-01-02')", LOADED),),
    ),
    Case(
        "versions_are_unique",
        "not_known_yet",
        VERSIONS,
        (rows("(1, 1, timestamp '2999-01-01'), (1, 1, timestamp '2999-01-01')", LOADED),),
    ),
    Case(
        "versions_are_unique",
        "in_a_new_load",
        LANDED,
        (
            TONIGHT,
            LANDINGS,
            rows("(1, timestamp '2024-07-01', 'L2'), (1, timestamp '2024-07-01', 'L2')", "id, _loaded_at, _load_id"),
        ),
        ((1, "2024-07-01 00:00:00", 2),),
    ),
    Case(
        "versions_are_unique",
        "in_a_load_that_was_tested_before",
        LANDED,
        (
            TONIGHT,
            LANDINGS,
            rows("(1, timestamp '2024-07-01', 'L1'), (1, timestamp '2024-07-01', 'L1')", "id, _loaded_at, _load_id"),
        ),
    ),
    Case(
        "versions_are_unique",
        "in_a_month_that_is_new",
        LANDED_BY_MONTH,
        (
            TONIGHT,
            LANDINGS,
            rows(
                f"(1, date '2024-06-02', {LOADED_AT}, 'L2'), (1, date '2024-06-03', {LOADED_AT}, 'L2'),"
                f"(2, date '2024-05-02', {LOADED_AT}, 'L2'), (2, date '2024-05-02', {LOADED_AT}, 'L2')",
                "id, paid_on, _loaded_at, _load_id",
            ),
        ),
        ((1, "2024-07-01 00:00:00", 2),),
    ),
    Case(
        "every_score_has_inputs",
        "none_and_two",
        INPUTS,
        (TONIGHT, SCORED, rows("('A2', date '2024-06-30'), ('A2', date '2024-06-30')", "account_id, as_of_date")),
        (("A1", 0), ("A2", 2)),
    ),
    Case(
        "every_score_has_inputs",
        "another_date",
        INPUTS,
        (TONIGHT, SCORED, rows("('A1', date '2024-06-29'), ('A2', date '2024-06-30')", "account_id, as_of_date")),
        (("A1", 0),),
    ),
    Case(
        "every_score_has_inputs",
        "one_each",
        INPUTS,
        (TONIGHT, SCORED, rows("('A1', date '2024-06-30'), ('A2', date '2024-06-30')", "account_id, as_of_date")),
    ),
    Case(
        "contributions_add_up",
        "short_of_the_margin",
        ADD_UP,
        (SCORES, rows("('P1', 1, 0.4), ('P1', 1, 0.098)", "application_id, as_of_date, contribution", "parts")),
        (("P1", 0.5, 0.498),),
    ),
    Case(
        "contributions_add_up",
        "a_score_without_any",
        ADD_UP,
        (SCORES, rows("('P2', 1, 0.4)", "application_id, as_of_date, contribution", "parts")),
        (("P1", 0.5, None),),
    ),
    Case(
        "contributions_add_up",
        "within_tolerance",
        ADD_UP,
        (
            SCORES,
            rows(
                "('P1', 1, 0.4), ('P1', 1, 0.0995), ('P1', 2, 7)", "application_id, as_of_date, contribution", "parts"
            ),
        ),
    ),
    Case(
        "matches_catalog",
        "missing_unlisted_and_mistyped",
        typed("0.5::double as dpd_current, 1 as unlisted"),
        (CATALOG,),
        (
            ("dpd_current", "double", "integer"),
            ("unlisted", "integer", None),
            ("utilization", None, "double"),
        ),
    ),
    Case(
        "matches_catalog",
        "neither_integer_nor_double",
        typed("'5' as dpd_current, 0.5::decimal(9, 6) as utilization"),
        (CATALOG,),
        (("dpd_current", "character varying(256)", "integer"), ("utilization", "decimal(9,6)", "double")),
    ),
    Case("matches_catalog", "as_listed", typed("5 as dpd_current, 0.5::double as utilization"), (CATALOG,)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.test}-{case.because}")
def test_generic_test_returns_the_failing_rows(project, case):
    found = project.query(case.call, setup=case.setup)
    assert sorted(_text(row) for row in found) == sorted(_text(row) for row in case.failing)


def _text(row: tuple) -> tuple[str, ...]:
    return tuple(str(float(value)) if isinstance(value, int | float) else str(value) for value in _plain(row))


def _plain(row: tuple) -> list:
    return [float(value) if type(value).__name__ == "Decimal" else value for value in row]


def test_each_generic_test_fails_once_and_passes_once():
    tests = {path.stem for path in GENERIC.glob("*.sql")}
    assert {case.test for case in CASES if case.failing} == tests
    assert {case.test for case in CASES if not case.failing} == tests


@pytest.mark.parametrize("rule", ["'not_nul'", "{'accepted_range': [0, 1], 'not_null': true}", "{'description': 'x'}"])
def test_an_unknown_rule_is_named(project, rule, capfd):
    node = "{'name': 'cases', 'columns': {'b': {'name': 'b', 'meta': {'rules': [" + rule + "]}}}}"
    with pytest.raises(Exception, match="inline"):
        project.compile("{{ rules_of(" + node + ") }}")
    assert re.search(r"cases\.b: rule .* is unknown\. Write not_null, unique", capfd.readouterr().out)


def test_every_rule_is_listed_with_its_test(project):
    listed = json.loads(project.compile("{{ tojson(declared_rules()) }}"))
    tests = {one.name for one in project.manifest.nodes.values() if one.resource_type == "test"}
    assert {one["test_node"] for one in listed} == tests
    found = {(one["relation_name"], one["column_name"], one["rule"]): one for one in listed}
    assert found["fct_account_scores", "pd", "accepted_range 0, 1"]["cadence"] == "nightly"
    assert found["int_policy", "outcome_months", "not_null"]["cadence"] == "nightly, weekly"
    assert found["fct_model_versions", "artifact_digest", "not_null"]["severity"] == "warn"
    assert found["int_settled_payments", "payment_id", "unique"]["description"].startswith("A row is a payment with")
    assert found["raw.payments", "", "versions_are_unique"]["severity"] == "error"
    assert len(found) > 150


def test_the_ranges_of_inputs_are_listed_from_the_catalog(project):
    setup = (
        "create table warehouse.reference.feature_catalog as select * from (values"
        " ('m', 'w', 0, 1, true), ('m', 'x', 0, 1, false)) as listed (model_name, name, lowest, highest, in_model)"
    )
    sql = (ROOT / "models" / "operations" / "fct_test_rules.sql").read_text()
    found = [row for row in project.query(sql, setup=(setup,)) if row[0] == "tonight_inputs"]
    assert [row[1:3] for row in found] == [("w", "is_possible m: 0 to 1")]
