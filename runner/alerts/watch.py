"""Notices and metrics around a command: a warning if it will be late, then notices and the metrics file at its end.

Nothing in this module makes a command fail, whatever happens to the receiver, the warehouse or the disk. The webhook
delays a command by at most SECONDS.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TextIO

from nightbook import shown
from nightbook.engine import warehouse
from nightbook.errors import NightbookError
from runner import terminal
from runner.alerts import metrics_file, notices, webhook
from runner.alerts.notices import Ended, Journal, Notice

# Seconds that the webhook may take: before the run, if it is predicted to be late, and in all.
SECONDS = 5.0
_BEFORE = 2.0
# How many drifted inputs a notice lists by name.
_NAMED = 10
_READERS = {
    "runs": metrics_file.last_runs,
    "deadlines": metrics_file.deadlines,
    "verdicts": metrics_file.verdicts,
    "drift": metrics_file.drift,
}


@contextlib.contextmanager
def watched(cadence: str | None = None) -> Iterator[None]:
    """Watch a command, as a context manager or a decorator.

    Args:
        cadence: as in the run log, or backfill; a notice then says how the run ended. None for an interactive command:
            afterwards, news in the warehouse is sent and the metrics file is updated.
    """
    watch = _Watch(cadence)
    watch.begin()
    try:
        yield
    except BaseException as error:
        watch.end(_line(error))
        raise
    watch.end()


def look() -> None:
    """Do the work that follows a command, for runs that were started without this runner. Warnings go to stderr."""
    _Watch(None, warnings=sys.stderr).end()


@dataclass
class _Seen:
    """What the warehouse knows that may be worth a notice. Empty if the warehouse could not be queried."""

    runs: list[dict] = field(default_factory=list)
    deadlines: list[dict] = field(default_factory=list)
    verdicts: list[dict] = field(default_factory=list)
    drift: list[dict] = field(default_factory=list)
    figures: metrics_file.Figures = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    was_asked: bool = False

    @classmethod
    def now(cls) -> "_Seen":
        seen = cls()
        try:
            with warehouse.asking() as query:
                for name, read in _READERS.items():
                    try:
                        setattr(seen, name, read(query))
                    except Exception as error:
                        seen.problems.append(f"notices: {name} could not be read: {type(error).__name__}")
                seen.figures, failed = metrics_file.measured(query)
                seen.problems += [f"metrics: {name} could not be read: {why}" for name, why in failed.items()]
                seen.was_asked = True
        except Exception:
            # The warehouse is missing or in use. The command reports that if it matters; figures stay as they were.
            pass
        return seen


class _Watch:
    def __init__(self, cadence: str | None, warnings: TextIO | None = None) -> None:
        self._cadence = cadence
        self._warnings = warnings
        self._started = _now()
        self._address = os.environ.get(webhook.VARIABLE, "").strip()
        self._timer: threading.Timer | None = None
        self._seconds = SECONDS

    def begin(self) -> None:
        """Send what happened since the last command, and a warning if this run is predicted to be late."""
        if not (self._address and self._cadence):
            return
        # An error here would occur again at the end of the command, and is reported there.
        with contextlib.suppress(Exception):
            seen = _Seen.now()
            with notices.changing() as journal:
                journal.add(_runs(journal, seen.runs))
                late = [one for one in _late(seen.deadlines) if not all(map(journal.knows, one.keys))]
                journal.add(late)
            if late:
                self._within(lambda: notices.deliver(self._address, _BEFORE))
            else:
                self._watch_the_clock(seen.deadlines)

    def end(self, failure: str | None = None) -> None:
        """Send how the command ended and what is new in the warehouse, write the metrics file, and warn in one line."""
        problems: list[str] = []
        try:
            if (timer := self._timer) is not None:
                timer.cancel()
                self._within(lambda: timer.join(_BEFORE))
            seen = _Seen.now()
            problems += seen.problems
            last, waiting = self._tell(failure, seen, problems)
            self._measure(seen, last, waiting, problems)
        except Exception as error:
            problems.append(f"notices and metrics: {type(error).__name__}")
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            line = f"warning: {problems[0]}{more}"
            if self._warnings is None:
                terminal.say(line)
            else:
                print(shown.line(line), file=self._warnings)

    def _within(self, call: Callable[[], object]) -> None:
        """Make a call and subtract its time from the seconds that are left."""
        started = time.monotonic()
        call()
        self._seconds -= time.monotonic() - started

    def _tell(self, failure: str | None, seen: _Seen, problems: list[str]) -> tuple[dict[str, Ended], int | None]:
        """Record and send what is new.

        Returns:
            How the last runs ended, and how many notices still wait, None if that is unknown.
        """
        ended = Ended(_text(self._started), _text(_now()), failure)
        try:
            with notices.changing() as journal:
                news = [journal.ended(self._cadence, ended)] if self._cadence else []
                news += _runs(journal, seen.runs)
                if self._address:
                    journal.add(filter(None, news))
                    journal.add([*_verdicts(seen.verdicts), *_drift(seen.drift, journal), *_late(seen.deadlines)])
        except Exception as error:
            problems.append(f"notices: {notices.folder()} cannot be used: {type(error).__name__}")
            return self._tell_at_once(ended, problems), None
        try:
            undelivered = notices.deliver(self._address, self._seconds) if self._address else None
            problems += [f"notices: {undelivered}"] if undelivered else []
            return journal.last, len(notices.read().waiting)
        except Exception as error:
            problems.append(f"notices: {notices.folder()} cannot be used: {type(error).__name__}")
            return journal.last, None

    def _tell_at_once(self, ended: Ended, problems: list[str]) -> dict[str, Ended]:
        """Send a failure at once when the journal cannot be written, for example on a full disk."""
        if self._cadence is None:
            return {}
        notice = Journal().ended(self._cadence, ended)
        if self._address and notice:
            try:
                webhook.post(self._address, notices.message([notice]), self._seconds)
            except webhook.Undelivered as error:
                problems[-1] += f", and the webhook was not notified: {error}"
        return {self._cadence: ended}

    def _measure(self, seen: _Seen, last: dict[str, Ended], waiting: int | None, problems: list[str]) -> None:
        file = metrics_file.path()
        try:
            figures = seen.figures
            if not seen.was_asked or any(one.startswith("metrics: ") for one in seen.problems):
                with contextlib.suppress(ValueError):
                    figures = metrics_file.read(file) | figures
            figures = figures | metrics_file.of_runs(last)
            if waiting is not None:
                figures["nightbook_notices_waiting", ()] = waiting
            metrics_file.write(file, figures)
        except Exception as error:
            problems.append(f"metrics: {file} cannot be written: {type(error).__name__}")

    def _watch_the_clock(self, deadlines: list[dict]) -> None:
        """Send a notice if the deadline passes during the run. No other process can query the warehouse then."""
        due = next((row for row in deadlines if row["cadence"] == self._cadence and row["status"] == "open"), None)
        if due is not None:
            wait = (due["due_at"] - _now()).total_seconds()
            self._timer = threading.Timer(max(wait, 0), self._overdue, [due])
            self._timer.daemon = True
            self._timer.start()

    def _overdue(self, due: dict) -> None:
        with contextlib.suppress(Exception):
            with notices.changing() as journal:
                text = f"the run that started at {self._started:%H:%M} is still running"
                journal.add([_deadline(due, f"are missing: {text}")])
            notices.deliver(self._address, _BEFORE)


def _runs(journal: Journal, runs: Iterable[dict]) -> list[Notice]:
    """Notices of runs in the log that were started with plain dbt, so that no command recorded them."""
    reports = []
    for run in runs:
        ended = Ended(
            _text(run["started_at"]),
            _text(run["ended_at"]),
            None if run["outcome"] == "succeeded" else f"{run['first_failure']}, in dbt run {run['run_id']}",
        )
        before = journal.last.get(run["cadence"])
        if before is None or before.ended_at < ended.ended_at:
            reports.append(journal.ended(run["cadence"], ended))
    return list(filter(None, reports))


def _late(deadlines: list[dict]) -> list[Notice]:
    found = []
    for row in deadlines:
        if row["status"] == "predicted_breach":
            late = _minutes(-row["margin_minutes"])
            typical = _minutes(row["expected_seconds"] / 60)
            found.append(_deadline(row, f"will be about {late} late: the median run takes {typical}"))
        elif row["status"] == "breached" and row["ended_at"] is not None:
            found.append(_deadline(row, f"were {_minutes(-row['margin_minutes'])} late"))
        elif row["status"] == "breached":
            found.append(_deadline(row, "are missing"))
    return found


def _deadline(row: dict, what: str) -> Notice:
    return Notice(
        (f"deadline/{row['cadence']}/{row['due_date']}",),
        f"{row['cadence']} results, due {row['due_at']:%Y-%m-%d %H:%M} UTC, {what}",
    )


def _verdicts(verdicts: list[dict]) -> list[Notice]:
    reports = []
    for row in verdicts:
        name, version = row["model_name"], row["model_version"]
        if row["failures"]:
            text = f"{name}: the gate rejected the candidate: {' '.join(row['failures'])}"
        else:
            text = f"{name}: the gate passed the candidate" + (f", registered as version {version}" if version else "")
            text += f"; warnings for the approver: {' '.join(row['warnings'])}" if row["warnings"] else ""
        reports.append(Notice((f"gate/{row['run_id']}/{name}",), text))
    return reports


def _drift(drift: list[dict], journal: Journal) -> list[Notice]:
    """New drift alerts, one notice per model, largest PSI first. An alert of the night before is not new."""
    reports: dict[tuple[str, date], list[tuple[str, dict]]] = {}
    for row in drift:
        key = f"drift/{row['as_of_date']}/{row['model_name']}/{row['feature']}"
        if row["is_alert"] and not row["was_alert"] and not journal.knows(key):
            reports.setdefault((row["model_name"], row["as_of_date"]), []).append((key, row))
    return [Notice(tuple(key for key, _ in found), _drifted(*about, found)) for about, found in reports.items()]


def _drifted(model: str, as_of: date, found: list[tuple[str, dict]]) -> str:
    named = ", ".join(f"{row['feature']} {row['value']:.3f}" for _, row in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{model}: new drift alerts on {as_of} (PSI): {named}{more}"


def _line(error: BaseException) -> str:
    """The one line that the runner prints for a failure."""
    if isinstance(error, NightbookError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"


def _minutes(minutes: float) -> str:
    return f"{timedelta(minutes=round(float(minutes)))}".removesuffix(":00") + " h"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"
