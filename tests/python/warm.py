"""Run the command line and dbt in separate processes that need not import everything first.

A short run spends most of its time on importing dbt, MLflow and their libraries, and on dbt's first setup. This process
has done that already, and forks for every order. The child gets the order's arguments, environment, working directory
and output files, runs as `__main__`, and ends as any Python does.

An order is one JSON object per line of standard input, {"arguments", "environment", "folder", "macros", "said",
"wrong"}. Its first argument is a script or `dbt`. The answer is two lines: the process id, and the exit status once it
has ended.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DBT = ("dbt.cli.main", "dbt.adapters.duckdb")
RUNNER = (
    *DBT, "mlflow", "mlflow.xgboost", "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store", "runner.commands", "runner.backfill", "runner.openlineage",
    "nightbook.modelling.candidates", "nightbook.scoring.scorer", "nightbook.trail.evidence_pack",
    "nightbook.trail.explanation", "nightbook.trail.reproduce",
    "openlineage.common.provider.dbt", "openlineage.dbt",
)  # fmt: skip


def clean() -> dict[str, str]:
    """This process's environment without variables about homes, stores and Snowflake accounts."""
    ours = ("NIGHTBOOK_", "MLFLOW_", "SNOWFLAKE_", "DBT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Warm:
    """The process with everything imported, and the orders to it."""

    def __init__(self, *modules: str, keeps: bool = False, **environment: str) -> None:
        """Import modules and let dbt read the project in an environment.

        Args:
            modules: modules to import.
            keeps: whether `dbt` gets the project as read here, in whatever environment it runs.
            environment: in addition to this process's own.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="nightbook-warm-"))
        # For a NIGHTBOOK_HOME that it has not seen, dbt reads everything again, which takes ten seconds. So this one
        # path points to one home after another.
        self.here, self.first = self._folder / "home", self._folder / "first"
        self.first.mkdir()
        self.here.symlink_to(self.first)
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "keeps" if keeps else "reads", *modules],
            env=clean() | {"NIGHTBOOK_HOME": str(self.here)} | environment, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout.readline() == "ready\n", "it says why on standard error"

    def at(self, folder: Path) -> Path:
        """Make the path point to a home, with the project as it was read. Returns the path."""
        (folder / "target").mkdir()
        shutil.copy(self.first / "target" / "partial_parse.msgpack", folder / "target")
        self.here.unlink()
        self.here.symlink_to(folder)
        return self.here

    def run(
        self,
        arguments: list[str],
        environment: dict[str, str],
        folder: Path,
        seconds: float = 580,
        macros: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess:
        """As subprocess.run of Python with these arguments, output as text. `macros`: see tests/python/planted.py.

        Raises:
            subprocess.TimeoutExpired: it took longer, and was killed.
        """
        with self._turn, tempfile.TemporaryDirectory() as files:
            said, wrong = (Path(files) / name for name in ("said", "wrong"))
            order = {"arguments": arguments, "environment": environment, "folder": str(folder), "macros": macros}
            process = self._process
            print(json.dumps(order | {"said": str(said), "wrong": str(wrong)}), file=process.stdin, flush=True)
            child = int(process.stdout.readline())
            if not select.select([process.stdout], [], [], seconds)[0]:
                os.kill(child, 9)
                process.stdout.readline()
                raise subprocess.TimeoutExpired(arguments, seconds)
            status = int(process.stdout.readline())
            return subprocess.CompletedProcess(arguments, status, said.read_text(), wrong.read_text())

    def end(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._folder)


@functools.cache
def runner() -> Warm:
    """For `orchestrate.py` and dbt on DuckDB homes, one for all tests of this process."""
    started = Warm(*RUNNER)
    atexit.register(started.end)
    return started


@functools.cache
def account() -> Warm:
    """For dbt on any Snowflake account. What it reads of the project does not depend on the account."""
    nowhere = {"ACCOUNT": "rehearsal", "USER": "nobody", "PRIVATE_KEY_PATH": "/nowhere"}
    named = {f"SNOWFLAKE_{name}": value for name, value in nowhere.items()}
    started = Warm(*DBT, "dbt.adapters.snowflake", keeps=True, NIGHTBOOK_TARGET="snowflake", **named)
    atexit.register(started.end)
    return started


def end(order: dict, project) -> None:
    """Carry out an order, and end as Python does afterwards."""
    status: int | str | None = 0
    try:
        status = ordered(order, project)
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        status = 1
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without taking down what the parent imported, which would take a second and make DuckDB's binding complain.
    os._exit(status if isinstance(status, int) else int(status is not None))


def ordered(order: dict, project) -> int:
    """Carry out an order in the child. Returns its exit status if it does not exit itself."""
    for number, name in enumerate((os.devnull, order["said"], order["wrong"])):
        file = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    script, *arguments = sys.argv = order["arguments"]
    if order["macros"]:
        from tests.python import planted

        planted.plant(order["macros"])
    if script != "dbt":
        sys.path[0] = str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")
    elif project is None:
        from dbt.cli.main import cli

        cli()
    else:
        from dbt.cli.main import dbtRunner

        done = dbtRunner(manifest=project).invoke(arguments)
        return 0 if done.success else 1 if done.exception is None else 2
    return 0


def warm(modules: list[str]):
    """Import modules and let dbt read the project. Returns the project."""
    for name in modules:
        importlib.import_module(name)
    # dbt reads files through a pool of threads, which a forked child would not have. So a first child reads them, and
    # this process uses what that child stored.
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(int(parse() is None))
    assert os.waitpid(child, 0)[1] == 0
    project = parse()
    # dbt does this after reading a project, but not for a project that it is given.
    project.build_flat_graph()
    # If a thread of the parent held a lock, the child would wait for it for ever.
    assert threading.active_count() == 1, threading.enumerate()
    # So that no child's garbage collector looks through these objects or copies them.
    gc.collect()
    gc.freeze()
    return project


def parse():
    """The project, by `dbt parse`. None if it is not valid."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    done = dbtRunner().invoke(["--quiet", "--log-path", os.path.join(os.environ["NIGHTBOOK_HOME"], "logs"), "parse"])
    # This also ends the warehouse's threads.
    DuckDBConnectionManager.close_all_connections()
    return done.result


def main(keeps: str, *modules: str) -> None:
    """Answer orders, each in a child."""
    orders, answers = sys.stdin, os.fdopen(os.dup(1), "w")
    # What imports and dbt print is not an answer.
    os.dup2(2, 1)
    project = warm(modules)
    print("ready", file=answers, flush=True)
    while line := orders.readline():
        child = os.fork()
        if child == 0:
            answers.close()
            end(json.loads(line), project if keeps == "keeps" else None)
        print(child, file=answers, flush=True)
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), file=answers, flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "python_models"), str(ROOT)]
    main(*sys.argv[1:])
