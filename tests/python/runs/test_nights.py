"""One night, again and again: in another way, with other threads, with other input."""

import pytest

from .conftest import Home, ok, refused

HISTORIES = ("fct_account_scores", "fct_provisions", "rpt_regulatory_features")


def contents(home: Home, relation: str) -> list[tuple]:
    """Every row of a mart without run ids and times."""
    stamps = "run_id, scored_at" if relation.endswith("_scores") else "run_id"
    return home.query(f"select * exclude ({stamps}) from {relation} order by all")


def test_plain_dbt_on_one_thread_in_turns_gives_what_the_runner_gave_on_two(copy):
    before = {name: contents(copy, f"marts.{name}") for name in (*HISTORIES, "fct_application_scores")}
    assert len(before["fct_account_scores"]) > 1000
    turns = ("--vars", "{accounts_at_a_time: 100, windows_at_a_time: 150, rows_at_a_time: 20000}")
    # Otherwise they would exist already.
    copy.execute("drop table intermediate.int_closed_windows", "drop table intermediate.int_closed_months")
    ok(copy.dbt("build", "--select", "tag:nightly", *turns, NIGHTBOOK_THREADS="1", NIGHTBOOK_DBT_THREADS="1"))
    for name, rows in before.items():
        assert contents(copy, f"marts.{name}") == rows, name


# Tests are left out where a night is compared with one that has run them.
WITHOUT_TESTS = {
    "NIGHTBOOK_OVERRIDE": "partial_run",
    "NIGHTBOOK_OVERRIDE_REASON": "its rows are looked at, its tests are not",
}


def test_windows_by_their_plain_definition_on_one_thread_give_what_months_abreast_gave_on_two(copy):
    before = contents(copy, "marts.rpt_regulatory_features"), contents(copy, "marts.fct_account_scores")
    grouped = ("--vars", "{windows: grouped, accounts_at_a_time: 400}", "--exclude-resource-type", "test", "unit_test")
    ok(copy.dbt("build", "--select", "tag:nightly", *grouped, NIGHTBOOK_THREADS="1", **WITHOUT_TESTS))
    view = copy.query("select sql from duckdb_views() where view_name = 'feat_account_behaviour'")[0][0]
    assert "int_account_panel" in view and "int_closed_windows" not in view
    assert (contents(copy, "marts.rpt_regulatory_features"), contents(copy, "marts.fct_account_scores")) == before


KEPT = {
    name: f"select * exclude (kept_by, kept_for) from intermediate.{name} order by all"
    for name in ("int_closed_months", "int_bureau_pulls")
} | {
    # An account that has left the book keeps its windows until the month turns. Nobody reads them.
    "int_closed_windows": """
        select * exclude (kept_by, kept_for)
        from intermediate.int_closed_windows semi join intermediate.int_account_book using (account_id)
        order by all
    """
}

LATER = {
    "a correction of a closed month": """
        insert into raw.loan_servicing
        select * replace (balance + 7 as balance, timestamp '2026-10-01 02:00:00' as _loaded_at, 'later' as _load_id)
        from raw.loan_servicing where snapshot_date = '2026-03-31' and hash(account_id) % 20 = 0
        qualify row_number() over (partition by account_id order by _loaded_at desc) = 1""",
    "a payment that was made in another month": """
        insert into raw.payments
        select * replace (paid_on - 31 as paid_on, timestamp '2026-10-01 02:00:00' as _loaded_at)
        from raw.payments where paid_on between '2026-06-01' and '2026-06-30' and hash(payment_id) % 20 = 0
        qualify row_number() over (partition by payment_id order by _loaded_at desc) = 1""",
    "a payment that was another account's": """
        insert into raw.payments
        select * replace ((select min(account_id) from raw.accounts) as account_id,
                          timestamp '2026-10-01 02:00:00' as _loaded_at)
        from raw.payments where paid_on between '2026-02-01' and '2026-02-28' and hash(payment_id) % 20 = 1
        qualify row_number() over (partition by payment_id order by _loaded_at desc) = 1""",
    "a load that was stamped before the last night and seen after it": """
        insert into raw.loan_servicing
        select * replace (balance + 5 as balance, _loaded_at + interval 1 minute as _loaded_at)
        from raw.loan_servicing where snapshot_date = '2026-01-31' and hash(account_id) % 20 = 2
        qualify row_number() over (partition by account_id order by _loaded_at desc) = 1""",
    "first terms that come late": """
        insert into raw.accounts
        select * replace (opened_on + 3 as opened_on, timestamp '2020-01-01' as _loaded_at, 'early' as _load_id)
        from raw.accounts where hash(account_id) % 20 = 3
        qualify row_number() over (partition by account_id order by _loaded_at) = 1""",
    "enquiries that were another customer's": """
        insert into raw.bureau_pulls
        select * replace ((select min(customer_id) from raw.customers) as customer_id,
                          timestamp '2026-10-01 02:00:00' as _loaded_at)
        from raw.bureau_pulls where hash(pull_id) % 20 = 4
        qualify row_number() over (partition by pull_id order by _loaded_at desc) = 1""",
    "a month that turns": """
        insert into raw.loan_servicing
        select * replace (date '2026-07-31' as snapshot_date, timestamp '2026-08-01 02:00:00' as _loaded_at)
        from raw.loan_servicing where snapshot_date = '2026-06-30' and account_status not in ('charged_off', 'closed')
        qualify row_number() over (partition by account_id order by _loaded_at desc) = 1;
        insert into raw.payments
        select * replace ('N' || payment_id as payment_id, paid_on + 30 as paid_on,
                          timestamp '2026-08-01 02:00:00' as _loaded_at)
        from raw.payments where paid_on between '2026-06-01' and '2026-06-30'""",
    "a month that leaves one out": """
        insert into raw.loan_servicing
        select * replace (date '2026-09-30' as snapshot_date, balance - 40 as balance,
                          timestamp '2026-10-02 02:00:00' as _loaded_at)
        from raw.loan_servicing where snapshot_date = '2026-07-31';
        insert into raw.loan_servicing
        select * replace (date '2026-10-31' as snapshot_date, timestamp '2026-11-01 02:00:00' as _loaded_at)
        from raw.loan_servicing where snapshot_date = '2026-09-30'""",
    "the month that was left out": """
        insert into raw.loan_servicing
        select * replace (date '2026-08-31' as snapshot_date, balance - 20 as balance,
                          timestamp '2026-11-02 02:00:00' as _loaded_at)
        from raw.loan_servicing where snapshot_date = '2026-07-31'""",
}
# Windows end with the scored month, so another month computes them all again. A month's measures use the month before
# it.
OF_ANOTHER_MONTH = ("a month that turns", "a month that leaves one out", "the month that was left out")


def test_what_is_kept_is_what_a_build_from_nothing_gives_whatever_lands_later(copy):
    """Each fault must change the stored history, to what an empty warehouse would compute."""
    # Corrections with the same load time, bulk changes of closed months: the input checks would stop all of these.
    answered = {"NIGHTBOOK_OVERRIDE": "*", "NIGHTBOOK_OVERRIDE_REASON": "what is kept is looked at, not the input"}
    without = ("--exclude-resource-type", "test", "unit_test")
    select = ("build", *without, "--select", "+int_closed_windows", "+int_bureau_pulls")
    keepers = "select distinct kept_by from intermediate."
    (first,) = copy.query(keepers + "int_closed_windows")
    for what, statements in LATER.items():
        before = {name: copy.query(sql) for name, sql in KEPT.items()}
        copy.execute(*statements.split(";"))
        if what == "a correction of a closed month":
            # A night that failed after the months and before the windows. The next one finds nothing new in the months.
            ok(copy.dbt("build", *without, "--select", "+int_closed_months", **answered))
        ok(copy.dbt(*select, **answered))
        after = {name: copy.query(sql) for name, sql in KEPT.items()}
        assert after != before, what
        # Nothing else makes every month be computed again.
        assert (first in copy.query(keepers + "int_closed_months")) == (what != "the month that was left out"), what
        assert (first in copy.query(keepers + "int_closed_windows")) == (what not in OF_ANOTHER_MONTH), what
    ok(copy.dbt(*select, "--full-refresh", **answered))
    assert {name: copy.query(sql) for name, sql in KEPT.items()} == after


def test_an_account_gone_from_the_input_is_gone_from_the_partition(copy):
    before = copy.partition()
    # An account whose customer has no other, so that nobody else's exposure changes.
    (gone,) = copy.query(
        """
        select min(account_id) from marts.fct_account_scores where account_id in (
            select min(account_id) from raw.accounts group by customer_id having count(distinct account_id) = 1
        )
        """
    )[0]
    copy.execute(f"delete from raw.loan_servicing where account_id = '{gone}'")
    ok(copy.run("score"))
    after = copy.partition()
    assert gone in before and after == {key: row for key, row in before.items() if key != gone}
    for name in HISTORIES:
        assert copy.query(f"select count(*) from marts.{name} where account_id = '{gone}'") == [(0,)]


def test_a_correction_moves_tonight_but_not_a_run_as_of_an_earlier_cutoff(copy):
    before = copy.partition()
    account, loaded = copy.query(
        """
        select account_id, max(_loaded_at) from raw.loan_servicing
        where account_id in (select account_id from marts.fct_account_scores) and snapshot_date = '2026-06-30'
        group by account_id order by account_id limit 1
        """
    )[0]
    copy.execute(
        f"""
        insert into raw.loan_servicing
        select * replace (days_past_due + 29 as days_past_due, timestamp '2026-10-01 02:00:00' as _loaded_at,
                          'correction' as _load_id)
        from raw.loan_servicing where account_id = '{account}' and snapshot_date = '2026-06-30'
        and _loaded_at = '{loaded}'
        """
    )
    cutoff = '{known_at: "2026-09-30 00:00:00"}'
    ok(copy.dbt("build", "--select", "tag:nightly", "--vars", cutoff, "--exclude-resource-type", "unit_test"))
    assert copy.partition() == before
    ok(copy.run("score"))
    after = copy.partition()
    assert after[account] != before[account] and after[account][0] > before[account][0]


def test_feeds_that_fall_silent_are_nulls_and_stop_a_champion_that_learned_from_them(copy):
    before = {name: contents(copy, f"marts.{name}") for name in HISTORIES}
    copy.execute("delete from raw.bureau_pulls", "drop table raw.payments", "delete from raw.applications")
    assert "is silent is 1.0" in refused(copy.run("score"))
    told = refused(
        copy.run("score", "--override", "feed_is_not_silent", "--reason", "the bureau has no contract any more")
    )
    assert "features_are_not_broken" in told or "important_features_have_not_drifted" in told
    nulls = copy.query("select count(bureau_score), count(unpaid_months_3m_sum), count(*) from features.feat_accounts")
    assert nulls[0][:2] == (0, 0) and nulls[0][2] > 1000
    assert {name: contents(copy, f"marts.{name}") for name in HISTORIES} == before


def test_a_night_repeated_after_the_decisions_has_the_same_queue(copy):
    before = contents(copy, "marts.fct_application_scores")
    copy.execute(
        """
        insert into raw.applications
        select * replace ('declined' as decision, timestamp '2026-07-05 02:00:00' as _loaded_at, 'later' as _load_id)
        from raw.applications where decision is null and applied_on = '2026-06-30'
        """
    )
    ok(copy.run("score"))
    assert len(before) > 0 and contents(copy, "marts.fct_application_scores") == before


def test_an_earlier_cutoff_is_an_option(copy):
    before = copy.partition()
    copy.execute(
        """
        insert into raw.loan_servicing
        select * replace (days_past_due + 29 as days_past_due, timestamp '2026-10-01 02:00:00' as _loaded_at,
                          'correction' as _load_id)
        from raw.loan_servicing where snapshot_date = '2026-06-30' and days_past_due < 30
        qualify row_number() over (partition by account_id order by _loaded_at desc) = 1
        """
    )
    ok(copy.run("score", "--known-at", "2026-09-30 00:00:00"))
    assert copy.partition() == before


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("update raw.loan_servicing set account_status = upper(account_status)", "account_status"),
        ("update raw.applications set decision = 'pending' where decision is null", "decision"),
        ("insert into raw.loan_servicing select * from raw.loan_servicing where snapshot_date = '2026-01-31' limit 1",
         "versions_are_unique"),
        ("insert into raw.customers select * from raw.customers limit 1", "versions_are_unique"),
        # The input checks accept one account without a balance, but it would have no provision.
        ("update raw.loan_servicing set balance = null where snapshot_date = '2026-06-30' and account_id ="
         " (select min(account_id) from marts.fct_provisions where as_of_date = '2026-06-30')", "has_exposure"),
    ],
)  # fmt: skip
def test_bad_input_stops_the_night_and_leaves_the_marts_alone(copy, fault, test):
    before = {name: contents(copy, f"marts.{name}") for name in HISTORIES}
    copy.execute(fault)
    assert test in refused(copy.run("score"))
    assert {name: contents(copy, f"marts.{name}") for name in HISTORIES} == before


def test_the_sample_is_not_seeded_over_a_loaders_tables(copy):
    rows = copy.query("select count(*) from raw.accounts")
    done = copy.dbt("seed", "--selector", "ci_landing")
    assert done.returncode == 1 and "not the sample's" in done.stdout
    assert copy.query("select count(*) from raw.accounts") == rows


def test_a_quote_in_a_name_stays_a_name(copy):
    actor = "o'brien', timestamp '2020-01-01'); delete from audit.run_log; --"
    ok(copy.run("score", NIGHTBOOK_ACTOR=actor))
    assert copy.query(f"select actor from audit.fct_runs where actor = $${actor}$$") == [(actor,)]
    assert copy.query("select count(*) > 1 from audit.fct_runs") == [(True,)]


def test_the_committed_sample_is_scored_by_plain_dbt(with_champions):
    """What the check of a pull request does: the seed schema, production's champions, one dbt build."""
    home = with_champions
    ok(home.dbt("build", "--selector", "ci_landing"))
    ok(home.dbt("build", "--select", "tag:nightly", "--exclude-resource-type", "unit_test"))
    assert home.query("select count(*) > 100 from marts.fct_account_scores") == [(True,)]
    before = home.partition()
    grouped = ("--vars", "{windows: grouped, accounts_at_a_time: 400}", "--exclude-resource-type", "test", "unit_test")
    ok(home.dbt("build", "--select", "tag:nightly", *grouped, NIGHTBOOK_THREADS="1", **WITHOUT_TESTS))
    assert home.partition() == before
    assert home.query("select count(*) from marts.underwriting_queue")[0][0] > 0
