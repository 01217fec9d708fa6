"""Notices to the people who watch the runs: each is sent once, and tried again at the next run if it was not accepted.

One file under the home holds everything: notices that wait, keys of notices that were sent, and how the last run of
each cadence ended. The file is replaced whole, so a run killed at any moment leaves the old or the new file.
"""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from nightbook import shown
from nightbook.engine import home
from runner.alerts import webhook

# Slack cuts a text at 40,000 characters and recommends at most 4,000.
_MESSAGE = 3_500
_LINE = 1_000
# Only events of the last nights can repeat. Ten thousand keys cover years.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Notice:
    """One line to send. Its keys name what it is about; once all of them were sent, it is not sent again."""

    keys: tuple[str, ...]
    text: str
    at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M}")


@dataclass(frozen=True)
class Ended:
    """How a run ended: times in ISO format, UTC, and the failure in one line, None if it succeeded."""

    started_at: str
    ended_at: str
    failure: str | None


@dataclass
class Journal:
    """Content of the file. `told` holds the keys of sent notices, oldest first."""

    waiting: list[Notice] = field(default_factory=list)
    told: dict[str, None] = field(default_factory=dict)
    last: dict[str, Ended] = field(default_factory=dict)

    def knows(self, key: str) -> bool:
        """Whether a notice with this key was sent or waits to be sent."""
        return key in self.told or any(key in notice.keys for notice in self.waiting)

    def add(self, notices: Iterable[Notice]) -> None:
        """Add notices to those that wait, except those whose keys are all known."""
        for notice in notices:
            if not all(self.knows(key) for key in notice.keys):
                self.waiting.append(notice)

    def ended(self, cadence: str, run: Ended) -> Notice | None:
        """Record how a run ended.

        Returns:
            The notice to send: a failure, unless the same line was sent that day, or the first success after a failure.
            None if there is nothing to send.
        """
        before = self.last.get(cadence)
        self.last[cadence] = run
        key = (f"run/{cadence}/{run.ended_at}",)
        if run.failure is None:
            if before is None or before.failure is None:
                return None
            text = f"{cadence} run recovered: it succeeded after the failure of {before.ended_at[:16]}"
            return Notice(key, text, run.ended_at[:16])
        is_repeated = before is not None and before.failure == run.failure and before.ended_at[:10] == run.ended_at[:10]
        return None if is_repeated else Notice(key, f"{cadence} run failed: {run.failure}", run.ended_at[:16])


def folder() -> Path:
    """Folder of the journal."""
    return home.home() / "notices"


def read() -> Journal:
    """Read the journal. Without a file it is empty.

    Raises:
        OSError, ValueError, TypeError, KeyError: it cannot be read, or is not a journal.
    """
    try:
        held = json.loads((folder() / "journal.json").read_text())
    except FileNotFoundError:
        return Journal()
    return Journal(
        waiting=[Notice(**one | {"keys": tuple(one["keys"])}) for one in held["waiting"]],
        told=dict.fromkeys(held["told"]),
        last={cadence: Ended(**run) for cadence, run in held["last"].items()},
    )


@contextlib.contextmanager
def changing() -> Iterator[Journal]:
    """Hold the journal while the block changes it, and write it if the block succeeds. No other process can change it.

    Raises:
        OSError: it cannot be written; also what read() raises.
    """
    with _held("lock"):
        journal = read()
        yield journal
        held = {
            "waiting": [asdict(notice) for notice in journal.waiting],
            "told": list(journal.told)[-_REMEMBERED:],
            "last": {cadence: asdict(run) for cadence, run in journal.last.items()},
        }
        part = folder() / "journal.json.part"
        try:
            with part.open("w") as file:
                json.dump(held, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            part.replace(folder() / "journal.json")
        finally:
            part.unlink(missing_ok=True)


def deliver(address: str, seconds: float) -> str | None:
    """Send waiting notices, oldest first. A notice that was accepted is not sent again.

    Args:
        address: the webhook's address.
        seconds: the time limit for all of it.

    Returns:
        Why some notices still wait; None if none waits or another process is delivering.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(Timeout), _held("delivering", wait=False):
        while waiting := read().waiting:
            sent = _as_many_as_fit(waiting)
            try:
                webhook.post(address, message(sent), max(deadline - time.monotonic(), 0.001))
            except webhook.Undelivered as error:
                return f"{len(waiting)} not accepted by the webhook yet: {error}"
            with changing() as journal:
                journal.waiting = [notice for notice in journal.waiting if notice not in sent]
                journal.told |= dict.fromkeys(key for notice in sent for key in notice.keys)
    return None


def message(notices: list[Notice]) -> dict:
    """Format notices for a Slack webhook, which other receivers accept too: the sender, then one line per notice."""
    lines = [f"Nightbook on {platform.node()}, {home.home()}", *(f"{one.at} UTC {_cut(one.text)}" for one in notices)]
    # A value from the data must not mention a whole channel or use markup.
    return {"text": "\n".join(shown.slack(line) for line in lines), "mrkdwn": False}


def _as_many_as_fit(waiting: list[Notice]) -> list[Notice]:
    """The oldest notices that fit into one message; at least one."""
    sent: list[Notice] = []
    length = 0
    for notice in waiting:
        length += len(_cut(notice.text)) + len(notice.at) + 6
        if sent and length > _MESSAGE:
            break
        sent.append(notice)
    return sent


def _cut(text: str) -> str:
    line = shown.line(" ".join(text.split()))
    return line if len(line) <= _LINE else line[: _LINE - 3] + "..."


@contextlib.contextmanager
def _held(name: str, wait: bool = True) -> Iterator[None]:
    """Hold a file lock, which the system releases if the process dies.

    Raises:
        Timeout: another process has the lock, and `wait` is false.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with FileLock(folder() / name, timeout=-1 if wait else 0, poll_interval=0.01):
        yield
