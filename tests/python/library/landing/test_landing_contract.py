import pytest
from nightbook.landing.contract import LOAD_COLUMNS, TABLES, sql_type

# The project's design, section 4, typed again here so that a mistake in the contract shows.
DESIGN = {
    "customers": "customer_id, birth_date, state, employment_status, annual_income, full_name, email",
    "accounts": "account_id, customer_id, product, opened_on, credit_limit, apr, term_months, closed_on",
    "loan_servicing": "account_id, snapshot_date, balance, credit_limit, scheduled_payment, amount_paid, "
    "days_past_due, account_status",
    "payments": "payment_id, account_id, paid_on, amount, method, is_returned",
    "bureau_pulls": "pull_id, customer_id, pulled_on, bureau_score, inquiries_6m, open_tradelines, "
    "total_utilization, worst_delinquency_24m, derogatory_count",
    "applications": "application_id, customer_id, applied_on, product, requested_amount, requested_term_months, "
    "stated_income, purpose, channel, home_ownership, employment_years, narrative, decision, account_id",
    "default_events": "account_id, defaulted_on, reason",
    "policy_overrides": "name, value",
}


@pytest.mark.parametrize("table", DESIGN)
def test_columns_are_those_of_the_design(table):
    assert list(TABLES[table].columns) == [*DESIGN[table].split(", "), *LOAD_COLUMNS]


def test_there_is_no_other_table():
    assert set(TABLES) == set(DESIGN)


def test_rules_name_columns_that_exist():
    for table in TABLES.values():
        assert {*table.grain, *table.allowed, *table.signed} <= set(table.columns)


def test_a_balance_may_be_negative_and_nothing_else_of_servicing():
    servicing = TABLES["loan_servicing"]
    assert servicing.non_negative == ("credit_limit", "scheduled_payment", "amount_paid", "days_past_due")
    assert servicing.dates == ("snapshot_date",)


def test_sql_types():
    types = {sql_type(type_) for table in TABLES.values() for type_ in table.columns.values()}
    assert types == {
        "VARCHAR", "DATE", "INTEGER", "BOOLEAN", "TIMESTAMP", "DECIMAL(18,2)", "DECIMAL(9,6)", "DECIMAL(5,2)"
    }  # fmt: skip
