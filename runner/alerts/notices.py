"""What is told to whoever watches: each thing once, and again at the next run if nobody took it.

All of it is one file under the home: what waits, what has been told, and how the last run of each cadence ended. It is
replaced whole, so that a run killed at any moment leaves the file from before or the file from after.
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

# Slack cuts a text at 40,000 characters and asks for 4,000.
_MESSAGE = 3_500
_LINE = 1_000
# Things that can still come up again are those of the last nights; ten thousand are years of them.
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Notice:
    """One line to be told; keys name what it is about, and what has been told under a key is not told again."""

    keys: tuple[str, ...]
    text: str
    at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M}")


@dataclass(frozen=True)
class Ended:
    """How a run ended: times in ISO form, UTC; the line of its failure, None when it succeeded."""

    started_at: str
    ended_at: str
    failure: str | None


@dataclass
class Journal:
    """What the file holds; `told` is ordered, oldest first."""

    waiting: list[Notice] = field(default_factory=list)
    told: dict[str, None] = field(default_factory=dict)
    last: dict[str, Ended] = field(default_factory=dict)

    def knows(self, key: str) -> bool:
        """Whether something has been told under a key, or waits to be."""
        return key in self.told or any(key in notice.keys for notice in self.waiting)

    def add(self, notices: Iterable[Notice]) -> None:
        """Have notices wait, but for those of which every key is known already."""
        for notice in notices:
            if not all(self.knows(key) for key in notice.keys):
                self.waiting.append(notice)

    def ended(self, cadence: str, run: Ended) -> Notice | None:
        """Take note of how a run ended.

        Returns:
            What is to be told of it: a failure, but not the same line twice on one day, or the first success after one.
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
    """Where the journal lies."""
    return home.home() / "notices"


def read() -> Journal:
    """The journal as it stands; an empty one where there is none.

    Raises:
        OSError, ValueError, TypeError, KeyError: it cannot be read, or is none.
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
    """The journal, held while it is changed and written when the block ends well; nobody else changes it meanwhile.

    Raises:
        OSError: it cannot be written; what read() raises.
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
    """Send what waits, oldest first; nothing that was taken is sent again.

    Args:
        address: the webhook's.
        seconds: how long all of it may take.

    Returns:
        Why some still wait, None when nothing does, or when another process is delivering.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(Timeout), _held("delivering", wait=False):
        while waiting := read().waiting:
            sent = _as_many_as_fit(waiting)
            try:
                webhook.post(address, message(sent), max(deadline - time.monotonic(), 0.001))
            except webhook.Undelivered as error:
                return f"{len(waiting)} wait for the webhook: {error}"
            with changing() as journal:
                journal.waiting = [notice for notice in journal.waiting if notice not in sent]
                journal.told |= dict.fromkeys(key for notice in sent for key in notice.keys)
    return None


def message(notices: list[Notice]) -> dict:
    """Notices in the format of Slack's webhooks, which others take as well: a line each, and where they come from."""
    lines = [f"Nightbook on {platform.node()}, {home.home()}", *(f"{one.at} UTC {_cut(one.text)}" for one in notices)]
    # A value out of somebody's data must neither call a whole channel nor be set in bold.
    return {"text": "\n".join(shown.slack(line) for line in lines), "mrkdwn": False}


def _as_many_as_fit(waiting: list[Notice]) -> list[Notice]:
    """The oldest notices, as many as make one message; at least one."""
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
    """A lock that the system takes back from whoever dies.

    Raises:
        Timeout: somebody else has it, and there is no waiting.
    """
    folder().mkdir(parents=True, exist_ok=True)
    with FileLock(folder() / name, timeout=-1 if wait else 0, poll_interval=0.01):
        yield
