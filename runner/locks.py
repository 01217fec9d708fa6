"""One writer at a time: a command that writes a home holds its lock, and a second one is told who holds it.

The operating system holds the lock and releases it with the process, however that ended. The note beside the lock only
names the holder. A note that was left behind belongs to a killed command and keeps nobody out.
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

# Room for a run to record how it ended, even if it fails. How much a night needs depends on the book. DuckDB reports it
# when its space runs out.
ROOM = 32 * 2**20
# A holder has the lock for a moment before its note exists.
_UNNAMED_SECONDS = 1.0

_held: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """The process that writes a home. `since` is in UTC, to the second."""

    command: str
    actor: str
    process: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` of {self.actor} (process {self.process} on {self.host}, since {self.since} UTC)"

    @property
    def is_alive(self) -> bool:
        """False only if the process is known to have ended. A process on another machine counts as alive."""
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
    """Hold the home's lock while the block runs. An inner block of the same process shares the lock.

    Args:
        command: the command, as the user typed it.

    Yields:
        The holder that was killed while it wrote this home, or None.

    Raises:
        NightbookError: another process writes the home or has its warehouse open, or the home cannot be written.
    """
    folder = home.home()
    if folder in _held:
        yield None
        return
    with _acquired(folder):
        _check_room(folder)
        # Since this process has the lock, a note that is still there belongs to a killed process.
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
            f"{folder} is being written by {_holder(folder)}: wait for it to end, or stop it, then run this command "
            "again"
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
    """Delete the spill files of a killed run, while nobody can be using them.

    Plain dbt, notebooks and documentation servers do not know the home's lock. DuckDB's own lock shows whether they use
    it.
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
            f"{folder}: its disk has {free // 2**20} MB free, and a command needs {ROOM // 2**20} MB to start: "
            "free some space, then run this command again"
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
        f"{error.filename or folder}: {error.strerror or error}: set NIGHTBOOK_HOME to a folder that can be written"
    )
