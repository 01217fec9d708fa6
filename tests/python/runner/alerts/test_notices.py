"""The journal: what waits and what was sent. A kill or a second process loses nothing of it."""

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runner.alerts import notices
from runner.alerts.notices import Ended, Journal, Notice
from stand_ins import SECRET

RUNS = st.lists(st.tuples(st.sampled_from([None, "no disk", "no rows"]), st.integers(0, 2)), max_size=12)


@given(RUNS)
def test_failures_and_recoveries_are_told_once(runs):
    """Compared with the plain definition. A run is its failure, and the days since the previous run."""
    journal, day, told = Journal(), 1, []
    expected, before = [], (None, 0)
    for number, (failure, days) in enumerate(runs):
        day += days
        at = f"2026-01-{day:02} 03:{number:02}:00.000000"
        told.append(journal.ended("nightly", Ended(at, at, failure)))
        if failure is None:
            expected.append("recovered" if before[0] else None)
        else:
            expected.append(None if before == (failure, day) else failure)
        before = (failure, day)
    assert len(told) == len(expected)
    for notice, what in zip(told, expected, strict=True):
        assert (notice is None) == (what is None) and (notice is None or what in notice.text)
    assert len({notice.keys for notice in told if notice}) == sum(what is not None for what in expected)


def add(*keys: str) -> None:
    with notices.changing() as journal:
        journal.add([Notice((key,), f"text of {key}") for key in keys])


def test_what_was_told_or_waits_is_not_told_again(receiver):
    add("a", "b", "a")
    assert notices.deliver(receiver.address, 5) is None
    add("b", "c")
    assert notices.deliver(receiver.address, 5) is None
    assert notices.deliver(receiver.address, 5) is None
    assert receiver.lines == ["text of a", "text of b", "text of c"]


def test_nothing_is_lost_while_nobody_takes_it_and_order_is_kept(receiver):
    receiver.behaviour = "answers 500"
    keys = [f"{number:04}" for number in range(300)]
    for start in range(0, 300, 100):
        add(*keys[start : start + 100])
        assert "answered 500" in notices.deliver(receiver.address, 5)
    assert len(receiver.asked) == 3 and not receiver.taken
    receiver.behaviour = "takes"
    assert notices.deliver(receiver.address, 5) is None
    assert receiver.lines == [f"text of {key}" for key in keys]
    assert len(receiver.taken) > 1 and max(len(message["text"]) for message in receiver.taken) < 4000


def test_what_was_taken_before_the_receiver_went_away_is_not_sent_again(receiver):
    add(*(f"{number:04}" for number in range(300)))
    receiver.behaviour = "takes"
    post, calls = notices.webhook.post, []

    def once(address, message, seconds):
        calls.append(message)
        if len(calls) == 2:
            receiver.behaviour = "answers 500"
        post(address, message, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notices.webhook, "post", once)
        assert "not accepted by the webhook yet" in notices.deliver(receiver.address, 5)
    taken = len(receiver.lines)
    assert 0 < taken < 300 and len(notices.read().waiting) == 300 - taken
    receiver.behaviour = "takes"
    assert notices.deliver(receiver.address, 5) is None
    assert receiver.lines == [f"text of {number:04}" for number in range(300)]


def test_a_change_that_does_not_come_to_its_end_changes_nothing(home):
    add("a")
    before = (home / "notices" / "journal.json").read_bytes()
    with pytest.raises(KeyboardInterrupt), notices.changing() as journal:
        journal.add([Notice(("b",), "b")])
        raise KeyboardInterrupt
    with pytest.raises(TypeError), notices.changing() as journal:
        journal.add([Notice(("b",), object())])
    assert (home / "notices" / "journal.json").read_bytes() == before
    assert sorted(file.name for file in (home / "notices").iterdir()) == ["journal.json", "lock"]


def add_at_once(count: int = 4, each: int = 15) -> int:
    """The number of waiting notices after several threads added theirs at once."""
    threads = [
        threading.Thread(target=lambda name=name: [add(f"{name}/{number}") for number in range(each)])
        for name in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(notices.read().waiting)


def test_two_at_once_do_not_lose_each_others_notices():
    assert add_at_once() == 60


def test_the_receiver_is_asked_by_one_at_a_time(receiver):
    add("a")
    receiver.behaviour = "hangs"
    first = threading.Thread(target=notices.deliver, args=(receiver.address, 0.5))
    first.start()
    while not receiver.asked:
        pass
    assert notices.deliver(receiver.address, 5) is None
    first.join()
    assert len(receiver.asked) == 1 and len(notices.read().waiting) == 1


@given(st.text(max_size=1500))
@settings(max_examples=50)
def test_a_text_is_one_line_that_calls_nobody(text):
    message = notices.message([Notice(("k",), f"<!channel> {text} &amp;", "2026-01-01 03:00")])
    _, *lines = message["text"].split("\n")
    assert len(lines) == 1
    assert "<" not in lines[0] and ">" not in lines[0] and lines[0].startswith("2026-01-01 03:00 UTC &lt;!channel&gt;")
    assert json.loads(json.dumps(message)) == message
    plain = lines[0].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert len(plain) <= 1021 and SECRET not in plain


def test_the_journal_keeps_what_it_must_and_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(notices, "_REMEMBERED", 3)
    with notices.changing() as journal:
        journal.told = dict.fromkeys("abcde")
        journal.add([Notice(("x", "y"), "text")])
        journal.ended("weekly", Ended("2026-01-01 03:00:00.0", "2026-01-01 04:00:00.0", "no disk"))
    kept = notices.read()
    assert list(kept.told) == ["c", "d", "e"] and kept.knows("y") and not kept.knows("a")
    assert kept.waiting[0].keys == ("x", "y") and kept.last["weekly"].failure == "no disk"
