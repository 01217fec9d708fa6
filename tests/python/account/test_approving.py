"""Who approves in an account need not be who builds in it."""

from datetime import datetime

import pytest
from nightbook import builds, commands, refusals, registry
from nightbook.errors import NightbookError

PROMOTION = registry.Promotion("account_pd", 2, "approve", 2, 1, "grace", "CR-1", "ada", datetime(2026, 7, 1, 8))


@pytest.fixture
def mirrored(account, monkeypatch):
    """Report a promotion whose mirror cannot be built, for a reason that is given; gives what was noted as reported."""
    reported = []
    monkeypatch.setattr(registry, "reported", reported.append)

    def mirror(message: str) -> list:
        def refuse(*arguments):
            raise NightbookError(builds.one_line(message))

        monkeypatch.setattr(builds, "build", refuse)
        commands._mirrored(PROMOTION)
        return reported

    return mirror


def test_a_role_that_may_not_write_the_mirror_has_approved_all_the_same(mirrored, capsys):
    message = "003001 (42501): SQL access control error:\nInsufficient privileges to operate on schema 'AUDIT'"
    assert mirrored(message) == [PROMOTION]
    said = capsys.readouterr().out
    assert "version 2 is champion" in said and "follows with the next run: this role may not write it" in said


@pytest.mark.parametrize(
    "message", ["000606 (57P03): No active warehouse selected", "registry_versions: no such column"]
)
def test_any_other_reason_is_an_error(mirrored, message):
    assert not refusals.is_of_rights(builds.one_line(message))
    with pytest.raises(NightbookError, match="version 2 IS champion of account_pd; only its mirror"):
        mirrored(message)
