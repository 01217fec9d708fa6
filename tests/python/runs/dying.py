"""Commands that are killed by SIGKILL at a named point, one after another. Not a test, but a helper of test_kills.

The process imports what a run imports. Then it forks a child for every command that it reads from standard input. So a
kill costs only the work up to the point. A child is a separate process: its locks, connections and transactions die
with it.

The input is one JSON object per line, {"call", "arguments": [...], "point": {...} or null}. "call" is
"module:function". It is null for the command line, or for dbt's where "dbt" is the first argument. The output is one
object per line, {"signal", "status", "said", "seconds"}.

A point is one of

  {"sql": pattern, "when": when, "then": pattern}   a DuckDB statement whose text matches; with `then`, the next
                                                    statement on the same connection that matches that
  {"call": "module:name.name", "when": when}        a Python function
  {"after": seconds}                                this long after the start

with "nth": n for the n-th time (1), and `when` one of

  before    before the statement or the call
  after     after it
  during    a hundredth of a second into it
  between   between the statements of a text with several, after the first one was executed
  committed as between, with the first one committed: a planted fault that transactions must prevent
"""

import importlib
import json
import os
import re
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MOMENT = 0.01
_FLAGS = re.IGNORECASE | re.DOTALL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killing(act, when: str):
    """Do `act`, and die before, after or during it."""
    if when == "before":
        die()
    if when == "during":
        threading.Timer(MOMENT, die).start()
    act()
    die()


class Cursor:
    """A DuckDB connection that dies at one of its statements."""

    def __init__(self, cursor, point: dict, count: list[int]) -> None:
        self._cursor, self._point, self._count, self._armed = cursor, point, count, False

    def __getattr__(self, name: str):
        return getattr(self._cursor, name)

    def execute(self, sql: str, *bindings):
        if self._is_hit(sql):
            when = self._point.get("when", "before")
            if when in ("between", "committed"):
                import duckdb

                first, *rest = duckdb.extract_statements(sql)
                assert rest, sql
                self._cursor.execute(first)
                if when == "committed":
                    self._cursor.execute("commit")
                die()
            killing(lambda: self._cursor.execute(sql, *bindings), when)
        return self._cursor.execute(sql, *bindings)

    def cursor(self):
        return Cursor(self._cursor.cursor(), self._point, self._count)

    def _is_hit(self, sql: str) -> bool:
        if self._armed and "then" in self._point:
            return bool(re.search(self._point["then"], sql, _FLAGS))
        if not re.search(self._point["sql"], sql, _FLAGS):
            return False
        self._count[0] += 1
        self._armed = self._count[0] == self._point.get("nth", 1)
        return self._armed and "then" not in self._point


def arm(point: dict) -> None:
    if "after" in point:
        timer = threading.Timer(point["after"], die)
        timer.daemon = True
        timer.start()
        return
    if "sql" in point:
        from dbt.adapters.duckdb.environments import Environment

        initialize, count = Environment.initialize_cursor.__func__, [0]

        def initialized(cls, *arguments, **options):
            return Cursor(initialize(cls, *arguments, **options), point, count)

        Environment.initialize_cursor = classmethod(initialized)
        return
    module, _, path = point["call"].partition(":")
    owner = importlib.import_module(module)
    *owners, name = path.split(".")
    for part in owners:
        owner = getattr(owner, part)
    call, count = getattr(owner, name), [0]

    def armed(*arguments, **options):
        count[0] += 1
        if count[0] == point.get("nth", 1):
            killing(lambda: call(*arguments, **options), point.get("when", "before"))
        return call(*arguments, **options)

    setattr(owner, name, armed)


def act(order: dict) -> int:
    if order["point"]:
        arm(order["point"])
    if order["call"]:
        module, _, name = order["call"].partition(":")
        getattr(importlib.import_module(module), name)(*order["arguments"])
        return 0
    if order["arguments"][0] == "dbt":
        from dbt.cli.main import dbtRunner

        from tests.python import planted

        # Without the tests, which would take most of the time up to a point.
        planted.plant(planted.ANY_PART)
        return int(not dbtRunner().invoke(order["arguments"][1:]).success)
    sys.argv = [str(ROOT / "orchestrate.py"), *order["arguments"]]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def told(order: dict) -> dict:
    """What happened to a command that a child was given."""
    started = time.monotonic()
    said = Path(os.environ["DYING_SAID"])
    child = os.fork()
    if child == 0:
        with said.open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        status = 70
        try:
            status = act(order)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return {
        "signal": os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else None,
        "status": os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else None,
        "said": said.read_text()[-2000:],
        "seconds": round(time.monotonic() - started, 2),
    }


def main() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    # If a thread of the parent held a lock, the child would wait for it for ever.
    assert threading.active_count() == 1, threading.enumerate()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(told(json.loads(line))), flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "python_models"), str(ROOT)]
    os.chdir(ROOT)
    main()
