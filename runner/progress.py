"""What a command is doing while it does it: a bar on a terminal, lines elsewhere.

Both go to standard error, because standard output has the report. A line here never begins with `nightbook: `, so that
a machine finds the reason of a stop by these words.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from nightbook import shown, steps

# A line at most this often if there is news, and this often if there is none.
NEWS_SECONDS = 5.0
STILL_SECONDS = 15.0


@dataclass
class Work:
    """What is being done. `total` is None while it is unknown; `part` is a part of the work, `step` a step of that."""

    title: str
    unit: str
    done: int = 0
    total: int | None = None
    part: str = ""
    step: str = ""
    on_change: Callable[["Work"], None] = field(default=lambda work: None, repr=False)

    def tell(self, **news: Any) -> None:
        """Change what is being done, by the names above."""
        for name, value in news.items():
            setattr(self, name, value)
        self.on_change(self)

    def __str__(self) -> str:
        count = f"{self.done:,} of {self.total:,} {self.unit}" if self.total else ""
        words = ", ".join(word for word in (count, self.part, self.step) if word)
        return shown.line(f"{self.title}: {words}" if words else self.title)


@contextmanager
def doing(title: str, unit: str) -> Iterator[Work]:
    """Show a piece of work until the block ends. Steps that the library tells are shown with it.

    Args:
        title: what the command does, as in `Scoring`.
        unit: what is counted, in the plural.
    """
    from rich.console import Console

    work = Work(title, unit)
    screen = Console(stderr=True)
    with steps.heard(lambda step: work.tell(step=step)), _bar(work, screen) if screen.is_terminal else _lines(work):
        yield work


@contextmanager
def _bar(work: Work, screen: Any) -> Iterator[None]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(work.title, total=None)

        def show(work: Work) -> None:
            words = shown.line(", ".join(word for word in (work.part, work.step) if word))
            description = f"{work.title}: {words[:60]:<60}" if words else work.title
            bar.update(task, description=description, completed=work.done, total=work.total)

        work.on_change = show
        yield


@contextmanager
def _lines(work: Work) -> Iterator[None]:
    over, stream = Event(), sys.stderr
    teller = Thread(target=_tell, args=(work, over, stream), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        # A reader who no longer reads holds up the last line, not the command.
        teller.join(timeout=1)


def _tell(work: Work, over: Event, stream: Any) -> None:
    started = last = time.monotonic()
    said = ""
    while not over.wait(NEWS_SECONDS):
        news, now = str(work), time.monotonic()
        if news != said or now - last >= STILL_SECONDS:
            # A reader who has gone must not stop the work.
            with suppress(OSError, ValueError):
                print(f"{news}, {now - started:.0f} s", file=stream, flush=True)
            said, last = news, now
