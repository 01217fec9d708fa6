"""One writer at a time: whoever writes a home holds its lock, and whoever comes second is told who that is.

The kernel holds the lock and lets go of it with the process, however that ended. The note beside it only names the
holder; a note that nobody took away belongs to a command that was killed, and keeps nobody out.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout
from nightbook.engine import home, messages
from nightbook.errors import NightbookError

# A run that cannot even say how it ended leaves a riddle; what a night takes depends on the book, and DuckDB says when
# it is too much.
ROOM = 32 * 2**20
# Between taking the lock and writing the note a holder has no name.
_UNNAMED_SECONDS = 1.0

_held: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """Who writes a home; since: UTC, to the second."""

    command: str
    actor: str
    process: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` of {self.actor} (process {self.process} on {self.host}, since {self.since} UTC)"

    @property
    def is_alive(self) -> bool:
        """False where the process is known to have ended; of one on another machine nothing is known."""
        if self.host != socket.gethostname() or os.name != "posix":
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True


@contextmanager
def writing(command: str) -> Iterator[Holder | None]:
    """Hold the home while the block runs; a block inside another of the same process holds it already.

    Args:
        command: what the holder is doing, as the user typed it.

    Yields:
        The command that wrote the home before and was killed over it, None where none was.

    Raises:
        NightbookError: somebody else writes the home, another process has its warehouse open, or nothing can be
            written there.
    """
    folder = home.home()
    if folder in _held:
        yield None
        return
    with _acquired(folder):
        _check_room(folder)
        # Left by somebody who was killed: nobody else holds the lock.
        before = _noted(folder)
        _note(folder, command)
        _held.add(folder)
        try:
            _sweep(folder)
            yield before
        finally:
            _held.discard(folder)
            with suppress(OSError):
                _note_of(folder).unlink(missing_ok=True)


@contextmanager
def _acquired(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / "lock", fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise NightbookError(
            f"{folder} is being written by {_holder(folder)}: wait for it to end, or stop it, then say this again"
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    until = time.monotonic() + _UNNAMED_SECONDS
    while time.monotonic() < until:
        noted = _noted(folder)
        if noted is not None and noted.is_alive:
            return str(noted)
        time.sleep(0.02)
    return "another process"


def _sweep(folder: Path) -> None:
    """Take away what the engine of a killed run had spilled, while nobody can be using it.

    DuckDB's own lock is what plain dbt, a notebook or a documentation server hold, who know nothing of ours.
    """
    if home.is_account() or not home.warehouse().exists():
        return
    try:
        connection = duckdb.connect(str(home.warehouse()))
    except duckdb.Error as error:
        raise NightbookError(messages.one_line(str(error))) from error
    with connection:
        shutil.rmtree(folder / "spill", ignore_errors=True)


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise NightbookError(
            f"{folder}: {free // 2**20} MB are free on its disk, and nothing is begun below {ROOM // 2**20} MB: "
            "make room, then say this again"
        )


def _noted(folder: Path) -> Holder | None:
    try:
        holder = Holder(**json.loads(_note_of(folder).read_text()))
        return holder if isinstance(holder.process, int) and holder.process > 0 else None
    except (OSError, ValueError, TypeError):
        return None


def _note(folder: Path, command: str) -> None:
    holder = Holder(
        command=command,
        actor=home.actor(),
        process=os.getpid(),
        host=socket.gethostname(),
        since=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
    )
    part = folder / "lock.json.part"
    try:
        part.write_text(json.dumps(asdict(holder)) + "\n")
        part.replace(_note_of(folder))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _note_of(folder: Path) -> Path:
    return folder / "lock.json"


def _unwritable(folder: Path, error: OSError) -> NightbookError:
    return NightbookError(
        f"{error.filename or folder}: {error.strerror or error}: give NIGHTBOOK_HOME a folder that can be written"
    )
