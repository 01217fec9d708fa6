"""An approval on Snowflake: the record's row and its log entry are both written, or neither, and no alias moves."""

import datetime
from dataclasses import replace

import pytest
from nightbook.engine import messages, warehouse
from nightbook.errors import NightbookError
from nightbook.registry import chain, model_versions, record
from runner import dbt_build, promotions

from tests.python.recorded import THEN

NOW = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
PROMOTION = record.Promotion("account_pd", 1, "approve", 2, None, "o'grace \\", "CR-1", "ada", NOW, True)


def test_a_promotion_and_its_entry_are_recorded_together(account):
    """Uses the macro that DuckDB runs too. Python computes the hashes again from what Snowflake returns."""
    promotions.write(PROMOTION)
    with warehouse.asking() as query:
        kept = record.Record.of(query)
    kept.hold()
    assert kept.moves("account_pd") == [PROMOTION]
    [entry] = kept.entries
    assert (entry["sequence"], entry["kind"], entry["subject"]) == (1, "promotion", "account_pd promotion 1")
    assert chain.check(kept.entries) == entry["entry_hash"]
    # Repeating the same promotion does not record it twice.
    promotions.write(PROMOTION)
    with warehouse.asking() as query:
        assert record.Record.of(query).entries == kept.entries
    # Neither is one with another time recorded, nor one that leaves a gap.
    for other in (replace(PROMOTION, sequence=3), replace(PROMOTION, sequence=2, promoted_at=THEN)):
        with pytest.raises(NightbookError, match=f"promotion {other.sequence} of .* does not follow promotion 1: run"):
            promotions.write(other)


def test_a_role_that_may_not_record_moves_no_alias(account, monkeypatch):
    moved = []

    def refuse(*arguments):
        message = (
            "003001 (42501): SQL access control error:\nInsufficient privileges to operate on table 'PROMOTION_LOG'"
        )
        raise NightbookError(messages.one_line(message))

    monkeypatch.setattr(dbt_build, "operate", refuse)
    monkeypatch.setattr(model_versions, "move_champion", lambda *arguments: moved.append(arguments))
    monkeypatch.setattr(record.Record, "held", lambda *arguments: None)
    with pytest.raises(NightbookError, match="the role may not do this to table 'PROMOTION_LOG'"):
        promotions._promote(record.Record(), "account_pd", "approve", 2, "grace", "CR-1", False)
    assert moved == []
