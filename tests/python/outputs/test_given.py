"""Texts from the command line are refused at once if they could not be shown again unchanged."""

import pytest
from nightbook.errors import NightbookError
from nightbook.registry import mlflow_store
from runner import commands, dbt_build, given, promotions, summaries
from runner.alerts import watch

BAD = ["CR-1\x1b[2J", "CR-1\nCR-2", "\u202e1-RC", "CR\u200b-1", "x" * 501, "CR-\ud800"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home in which anything after the check of arguments fails the test."""
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(mlflow_store, "check", lambda: None)
    monkeypatch.setattr(watch._Watch, "end", lambda *_: None)

    def reached(*_, **__):
        pytest.fail("it went on")

    for module, name in (
        (summaries, "check_audit_log"),
        (promotions, "approve"),
        (promotions, "rollback"),
        (dbt_build, "build"),
        (dbt_build, "_invoke"),
    ):
        monkeypatch.setattr(module, name, reached)


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize(
    ("option", "call"),
    [
        ("--change-request", lambda text: commands.approve("account_pd", 1, "grace", text)),
        ("--change-request", lambda text: commands.rollback("account_pd", "grace", text)),
        ("--reason", lambda text: commands.score(override="drift", reason=text)),
        ("--reason", lambda text: commands.train(override="drift", reason=text)),
        ("--override", lambda text: commands.score(override=text, reason="seen")),
    ],
)
def test_what_cannot_be_shown_is_refused_first(home, option, call, text):
    with pytest.raises(NightbookError, match=f"^{option} (is|has) ") as refusal:
        call(text)
    assert str(refusal.value).isprintable()


def test_other_words_are_taken_as_they_are():
    for text in ("CR-17", "[/risk]", "Prüfung ok (siehe #3)", "<b>", "承認", "=1+1", "it's"):
        assert given.line(f"  {text} ", "--reason") == text
