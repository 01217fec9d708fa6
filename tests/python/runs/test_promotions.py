"""Who may make a version champion, and what a night does without one, on the command line."""

import json
import sqlite3

import pytest

from .conftest import Home, at_home, ok, refused, second_version

# An audit log that continues as if the removed entries had never existed.
RELINK = """
    create or replace table audit.audit_chain as
    with recursive
    entries as (
        select * replace (row_number() over (order by sequence) as sequence) from audit.audit_chain
    ),
    linked as (
        select * replace ('' as previous_hash, sha256(concat_ws(chr(10), '', sequence, kind, subject,
            strftime(recorded_at, '%Y-%m-%d %H:%M:%S'), run_id, payload)) as entry_hash)
        from entries where sequence = 1
        union all
        select entries.* replace (linked.entry_hash as previous_hash, sha256(concat_ws(chr(10), linked.entry_hash,
            entries.sequence, entries.kind, entries.subject, strftime(entries.recorded_at, '%Y-%m-%d %H:%M:%S'),
            entries.run_id, entries.payload)) as entry_hash)
        from linked inner join entries on entries.sequence = linked.sequence + 1
    )
    from linked
"""


def marts(home: Home) -> list[tuple]:
    return home.query("select * from marts.fct_account_scores order by all")


def test_without_a_champion_nothing_is_written(small, settle):
    home = settle(small.path)
    before = marts(home)
    # The registry is missing, or is another one.
    line = refused(home.run("score"))
    assert "account_pd: the recorded approval of version 1 was not carried out, the alias champion is missing" in line
    home.execute("delete from audit.promotion_log", "delete from audit.audit_chain where kind = 'promotion'", RELINK)
    line = refused(home.run("score"))
    assert "account_pd has no champion" in line and "approve" in line
    assert marts(home) == before


def nothing_scores(home: Home, said: str, by_dbt: str = "", **named: str) -> None:
    """Neither the runner, at once, nor plain dbt has anything to score with."""
    before = marts(home)
    assert said in refused(home.run("score", **named))
    done = home.dbt("build", "--select", "tag:nightly", "--exclude-resource-type", "unit_test", **named)
    assert done.returncode and (by_dbt or said) in " ".join(done.stdout.split()), done.stdout
    assert marts(home) == before


def test_an_artifact_that_is_not_the_registered_one_is_refused_and_nothing_is_written(copy):
    (digest,) = copy.query("select model_digest from audit.fct_model_versions where model_name = 'account_pd'")[0]
    with sqlite3.connect(copy.path / "mlflow.db") as store:
        changed = store.execute(
            "update model_version_tags set value = ? where key = 'model_digest' and value = ?", [digest[::-1], digest]
        )
    assert changed.rowcount == 1
    nothing_scores(copy, "account_pd version 1: its model digest is")


def test_a_version_that_somebody_registered_by_hand_is_none_of_ours(copy):
    second_version(copy, is_on_record=False)
    names = ("--approver", "ann", "--change-request", "CR-9")
    assert "version 2 is not recorded" in refused(copy.run("approve", "account_pd", "--version", "2", *names))
    nothing_scores(copy, "account_pd version 2 is not recorded", NIGHTBOOK_VERSIONS="account_pd=2")
    assert copy.query("select count(*) from audit.fct_model_versions") == [(2,)]
    said = ok(copy.run("verify-audit")).stdout
    assert "account_pd version 2: no training of this warehouse registered it" in " ".join(said.split())


def test_a_version_that_nobody_approved_is_not_pinned(copy):
    second_version(copy, is_on_record=True)
    said = "account_pd version 2 was never champion"
    backfill = ("backfill", "--from", "2026-05-31", "--to", "2026-06-30", "--with-champion", "2")
    before = marts(copy)
    assert said in refused(copy.run(*backfill))
    assert marts(copy) == before
    nothing_scores(copy, said, NIGHTBOOK_VERSIONS="account_pd=2")


def test_a_promotion_forged_in_the_registry_alone_is_not_believed(copy):
    """The way an earlier version stored promotions, in tags beside the alias. The gate has passed the version."""
    second_version(copy, is_on_record=True)
    told = {"model_name": "account_pd", "sequence": 2, "action": "approve", "model_version": 2, "previous_version": 1,
            "approver": "eve", "change_request": "CR-9", "actor": "eve",
            "promoted_at": "2026-07-02T00:00:00"}  # fmt: skip
    with at_home(copy) as client:
        client.set_registered_model_tag("account_pd", "promotion.000002", json.dumps(told))
        client.set_registered_model_tag("account_pd", "carried_out.000002", told["promoted_at"])
        client.set_registered_model_alias("account_pd", "champion", "2")
    nothing_scores(copy, "the alias champion names version 2, which no recorded approval put there")
    assert "which no recorded approval put there" in refused(copy.run("verify-audit"))
    assert copy.query("select approver from audit.fct_promotions") == [("demo-approver",)] * 2
    # Only an approval by somebody who may give it is missing.
    names = ("--approver", "ann", "--change-request", "CR-9")
    ok(copy.run("approve", "account_pd", "--version", "2", *names))
    ok(copy.dbt("build", "--select", "tag:nightly", "--exclude-resource-type", "unit_test"))
    versions = dict(copy.query("select model_name, model_version from scoring.champions"))
    assert versions == {"account_pd": 2, "application_pd": 1}
    assert "Verified: " in ok(copy.run("verify-audit")).stdout


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("delete from audit.audit_chain where kind = 'promotion'", "expected entry"),
        ("update audit.audit_chain set payload = replace(payload, 'demo-approver', 'eve') where kind = 'promotion'",
         "was changed after it was written"),
        ("update audit.promotion_log set approver = 'eve'", 'approver is "eve"'),
        ("insert into audit.promotion_log select * replace (2 as sequence) from audit.promotion_log",
         "has no entry in the audit log"),
        ("update audit.version_log set maker = 'eve'", 'maker is "eve"'),
        ("delete from training.fct_gate_decisions", "but its row is missing"),
    ],
)  # fmt: skip
def test_a_record_that_was_changed_scores_nothing(copy, fault, said):
    copy.execute(fault)
    assert said in refused(copy.run("score"))
    if fault.startswith(("delete from audit", "insert")):
        # Plain dbt counts the entries before it reads any.
        nothing_scores(copy, said, "entries were removed" if fault.startswith("delete") else said)
    names = ("--approver", "ann", "--change-request", "CR-9")
    assert said in refused(copy.run("approve", "account_pd", "--version", "1", *names))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--version", "1", "--approver", "Demo-Modeller ", "--change-request", "CR-9"), "made by demo-modeller"),
        (("--version", "1", "--approver", "ann", "--change-request", " "), "--change-request is empty"),
        (("--version", "1", "--approver", "ann", "--change-request", "CR-9"), "already the champion"),
        (("--version", "7", "--approver", "ann", "--change-request", "CR-9"), "has no version 7"),
    ],
)
def test_an_approval_that_must_not_be(copy, arguments, said):
    home = copy
    before = home.query("select * from audit.fct_promotions order by all")
    assert said in refused(home.run("approve", "account_pd", *arguments))
    assert home.query("select * from audit.fct_promotions order by all") == before


@pytest.mark.parametrize(
    ("approver", "actor", "said"),
    [
        ("d\u0435mo-modeller", "ann", "was made by demo-modeller, who cannot approve it"),
        ("demo\u2011modeller", "ann", "was made by demo-modeller, who cannot approve it"),
        ("demo-model\u200bler", "ann", "--approver has an invisible character, U+200B"),
        ("ann", "Demo Modeller", "was made by demo-modeller, and the actor Demo Modeller is the same person"),
        ("ann", "\u3164", "NIGHTBOOK_ACTOR has an invisible character, U+3164"),
        ("ann", "", "NIGHTBOOK_ACTOR is empty"),
        ("nobody", "ann", "--approver is nobody, which does not name a person"),
    ],
)
def test_no_other_spelling_makes_the_maker_another(copy, approver, actor, said):
    home = copy
    before = home.query("select * from audit.fct_promotions order by all")
    words = ("--version", "1", "--approver", approver, "--change-request", "CR-9")
    assert said in refused(home.run("approve", "account_pd", *words, NIGHTBOOK_ACTOR=actor))
    assert home.query("select * from audit.fct_promotions order by all") == before


def test_what_landed_does_not_let_the_maker_approve(copy):
    """Nor does a changed seed: whether one account may do both is read from the checkout's own file."""
    copy.execute(
        "insert into raw.policy_overrides by name select 'one_account_trains_and_approves' as name, 'true' as value,"
        " 'L9' as _load_id, timestamp '2026-01-01' as _loaded_at",
        "update reference.policy set value = 'true' where name = 'one_account_trains_and_approves'",
    )
    words = ("--version", "1", "--approver", "ann", "--change-request", "CR-9")
    said = refused(copy.run("approve", "account_pd", *words, NIGHTBOOK_ACTOR="demo-modeller"))
    assert "set one_account_trains_and_approves in seeds/reference/policy.csv" in said
    assert copy.query("select is_by_makers_account from audit.fct_promotions") == [(False,)] * 2


@pytest.mark.parametrize("actor", ["", "\u200b", "ann\u202e", "\u3164"])
def test_plain_dbt_is_not_run_by_nobody(copy, actor):
    """The hook runs before all others, so nothing else is reported and nothing is written."""
    tables = "select schema_name, table_name, estimated_size from duckdb_tables() order by all"
    before = copy.query(tables), copy.query("select * from audit.run_log order by all")
    done = copy.dbt("build", "--select", "tag:nightly", NIGHTBOOK_ACTOR=actor)
    said = " ".join(done.stdout.split())
    assert done.returncode and "NIGHTBOOK_ACTOR is empty or not readable" in said, said
    assert (copy.query(tables), copy.query("select * from audit.run_log order by all")) == before


def test_usage_errors_exit_2(demo):
    home, _ = demo
    for arguments in (
        ("approve", "account_pd", "--version", "1", "--approver", "ann"),
        ("score", "--as-of", "tomorrow"),
        ("land", "synthetic", "--accounts", "0"),
        ("nonsense",),
    ):
        done = home.run(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr


def test_the_first_champion_cannot_be_rolled_back(copy):
    home = copy
    line = refused(home.run("rollback", "account_pd", "--approver", "ann", "--change-request", "CR-9"))
    assert "first champion" in line


def test_an_unknown_model_is_named(copy):
    home = copy
    line = refused(home.run("approve", "acount_pd", "--version", "1", "--approver", "a", "--change-request", "c"))
    assert "acount_pd" in line and "account_pd" in line and "application_pd" in line


def test_bad_files_land_nothing(tmp_path):
    home, files = Home(tmp_path / "home"), tmp_path / "files"
    home.path.mkdir()
    files.mkdir()
    (files / "accounts.csv").write_text("account_id\nA1\n")
    line = refused(home.run("land", "files", "--dir", str(files)))
    assert "accounts.csv" in line or "loan_servicing" in line
    assert not list((home.path / "landing").glob("*")) if (home.path / "landing").exists() else True


def test_training_without_a_matured_cohort_says_so(settle):
    home = settle()
    ok(home.run("land", "synthetic", "--accounts", "60", "--months", "6", "--applications", "5"))
    assert "no cohort has matured" in refused(home.run("train"))


def test_scoring_before_landing_says_so(settle):
    line = refused(settle().run("score"))
    assert "land" in line.lower()
