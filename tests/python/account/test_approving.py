"""An approval in an account: one row on record and its entry in the audit log, or neither, and then no alias moves."""

import datetime

import pytest
from nightbook import builds, chain, promotions, record, registry, warehouse
from nightbook.errors import NightbookError

PROMOTION = record.Promotion(
    "account_pd", 1, "approve", 2, None, "o'grace \\", "CR-1", "ada", datetime.datetime(2026, 7, 1, 8), True
)


def test_a_promotion_and_its_entry_are_recorded_together(account):
    """By the macro that DuckDB runs as well; the hashes are computed anew in Python, from what the account returns."""
    promotions.write(PROMOTION)
    with warehouse.asking() as query:
        kept = record.Record.of(query)
    kept.hold()
    assert kept.moves("account_pd") == [PROMOTION]
    [entry] = kept.entries
    assert (entry["sequence"], entry["kind"], entry["subject"]) == (1, "promotion", "account_pd promotion 1")
    assert chain.check(kept.entries) == entry["entry_hash"]
    # The same one is not recorded twice, whatever it says.
    promotions.write(PROMOTION)
    with warehouse.asking() as query:
        assert record.Record.of(query).entries == kept.entries


def test_a_role_that_may_not_record_moves_no_alias(account, monkeypatch):
    moved = []

    def refuse(*arguments):
        message = (
            "003001 (42501): SQL access control error:\nInsufficient privileges to operate on table 'PROMOTION_LOG'"
        )
        raise NightbookError(builds.one_line(message))

    monkeypatch.setattr(builds, "operate", refuse)
    monkeypatch.setattr(registry, "move_champion", lambda *arguments: moved.append(arguments))
    monkeypatch.setattr(record.Record, "held", lambda *arguments: None)
    with pytest.raises(NightbookError, match="the role may not do this to table 'PROMOTION_LOG'"):
        promotions._promote(record.Record(), "account_pd", "approve", 2, "grace", "CR-1", False)
    assert moved == []
