"""Faults around a run: one line, exit status 1, nothing lost, and the result of a clean run once they are fixed."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

from .conftest import ROOT, Home, ok, refused

HISTORIES = ("fct_account_scores", "fct_provisions", "fct_application_scores", "rpt_regulatory_features")
# A fault that is there from the start is reported before dbt starts. A busy machine needs some time for that.
AT_ONCE = 30


def stands(home: Home) -> list[tuple]:
    """What outside readers see of the scored nights, run ids and times included."""
    return [home.query(f"select count(*), sum(hash(t)) from marts.{name} as t")[0] for name in HISTORIES]


def scored(home: Home) -> dict[str, tuple]:
    """The results of a night, whichever run made them."""
    return home.partition() | home.partition("marts.fct_application_scores", "application_id")


def refused_at_once(home: Home, *arguments: str) -> str:
    started = time.monotonic()
    line = refused(home.run(*arguments))
    assert time.monotonic() - started < AT_ONCE, line
    return line


@contextlib.contextmanager
def server(status: int) -> Iterator[str]:
    """A server that says it is healthy, and answers everything else with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_store_that_does_not_answer(copy):
    before = stands(copy)
    with socket.socket() as taken:
        # Bound but not listening, so that nobody else can answer at this port either.
        taken.bind(("127.0.0.1", 0))
        gone = Home(copy.path, registry=f"http://somebody:secret@127.0.0.1:{taken.getsockname()[1]}")
        approve = ("approve", "account_pd", "--version", "1", "--approver", "ann", "--change-request", "CR-9")
        for command in (("score",), approve):
            line = refused_at_once(gone, *command)
            assert "the MLflow store http://127.0.0.1:" in line and "does not answer" in line and "refused" in line
            assert "secret" not in line
    with server(503) as broken:
        # MLflow's own limit would be four minutes per request.
        line = refused_at_once(Home(copy.path, registry=broken), "score")
        assert f"the MLflow store {broken} does not answer" in line and "503" in line
    assert stands(copy) == before


def test_a_store_that_is_locked_and_artifacts_that_are_not_what_they_were(copy):
    home = copy
    before, of_night = stands(home), scored(home)
    with contextlib.closing(sqlite3.connect(home.path / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        line = refused_at_once(home, "score")
        assert "mlflow.db does not answer: database is locked" in line
        other.execute("rollback")
    with contextlib.closing(sqlite3.connect(home.path / "mlflow.db")) as store:
        [(model_folder,)] = store.execute(
            "select storage_location from model_versions where name = 'account_pd' and version = 1"
        ).fetchall()
    model = home.path / "mlflow-artifacts" / model_folder.partition("/mlflow-artifacts/")[2] / "model.ubj"
    content = model.read_bytes()
    model.write_bytes(content[:-10])
    assert "account_pd version 1: model.ubj has SHA-256" in refused_at_once(home, "score")
    model.unlink()
    line = refused_at_once(home, "score")
    assert "account_pd version 1: its artifact cannot be read" in line and "restore it or roll back" in line
    assert stands(home) == before
    model.write_bytes(content)
    ok(home.run("score"))
    assert scored(home) == of_night


class Disk:
    """A small disk, mounted so that only a shell and its children see it. It disappears with the shell."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir()
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.shell = subprocess.Popen([*namespace, "sh"], env=Home(folder).environment(), text=True, **pipes)
        self.folder = folder
        self.do(f"mount -t tmpfs -o size={megabytes}m tmpfs '{folder}'")

    def do(self, command: str) -> None:
        print(f"{command} && echo done || echo failed", file=self.shell.stdin, flush=True)
        said = self.shell.stdout.readline().strip()
        if said != "done":
            raise OSError(f"{command}: {said}")

    def run(self, *arguments: str, full_at: str | None = None) -> subprocess.CompletedProcess:
        """`python orchestrate.py ...` with the disk as its home. The disk is full once a file of that name exists."""
        said = self.folder.parent
        if full_at:
            fill = f"dd if=/dev/zero of='{self.folder}/ballast' bs=1M"
            self.do(f"(while [ ! -s '{self.folder}/{full_at}' ]; do sleep 0.05; done; {fill}) > /dev/null 2>&1 & true")
        command = f"'{sys.executable}' '{ROOT / 'orchestrate.py'}' {' '.join(arguments)}"
        self.do(f"({command} > '{said}/out' 2> '{said}/err'; echo $? > '{said}/status')")
        status = int((said / "status").read_text())
        return subprocess.CompletedProcess(command, status, (said / "out").read_text(), (said / "err").read_text())

    def home(self) -> Home:
        """A copy of the current warehouse."""
        seen = self.folder.parent / "seen"
        seen.mkdir(exist_ok=True)
        self.do(f"rm -f '{seen}'/* && cp '{self.folder}'/warehouse.duckdb* '{seen}'")
        return Home(seen)

    def leave(self, megabytes: int) -> None:
        """Fill the disk except for this many megabytes."""
        free = f"$(df --output=avail --block-size=1M '{self.folder}' | tail -1)"
        self.do(f"fallocate -l $(( {free} - {megabytes} ))M '{self.folder}/ballast'")


@pytest.fixture
def disk(small, tmp_path) -> Iterator[Disk]:
    try:
        found = Disk(tmp_path / "disk", 400)
    except OSError as error:
        pytest.skip(f"needs a mount namespace of its own: {error}")
    found.do(f"cp '{small.path}/warehouse.duckdb' '{tmp_path}/disk' && export MLFLOW_TRACKING_URI={small.registry}")
    yield found
    found.shell.stdin.close()
    found.shell.wait()


def test_a_disk_that_is_read_only_or_full(disk, small):
    before, of_night = stands(small), scored(small)
    disk.do(f"mount -o remount,ro '{disk.folder}'")
    line = refused(disk.run("score"))
    assert "Read-only file system: set NIGHTBOOK_HOME to a folder that can be written" in line
    disk.do(f"mount -o remount,rw '{disk.folder}'")
    disk.leave(20)
    assert "MB free, and a command needs" in refused(disk.run("score"))
    disk.do(f"rm '{disk.folder}/ballast'")
    # Enough to start with: dbt has read the project, but has not run anything.
    line = refused(disk.run("score", full_at="target/manifest.json"))
    assert "No space left on device: free some space, then run this command again" in line
    assert stands(disk.home()) == before
    disk.do(f"rm '{disk.folder}/ballast'")
    ok(disk.run("score"))
    assert scored(disk.home()) == of_night


def test_of_two_runs_at_once_one_is_refused_and_plain_dbt_is_told_by_the_engine(copy):
    of_night = scored(copy)
    command = [sys.executable, str(ROOT / "orchestrate.py"), "score"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, env=copy.environment(), cwd=copy.path, **pipes) for _ in range(2)]
    said = [(one.communicate(), one) for one in both]
    [(_, first)] = [(told, one) for told, one in said if one.returncode == 0]
    [((_, line), _)] = [(told, one) for told, one in said if one.returncode == 1]
    assert len(line.splitlines()) == 1 and "is being written by `score` of " in line
    assert f"(process {first.pid} on " in line
    assert scored(copy) == of_night
    with duckdb.connect(str(copy.path / "warehouse.duckdb")):
        done = copy.dbt("build", "--select", "+int_run")
        assert f"is in use by process {os.getpid()}" in refused_at_once(copy, "score")
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert f"warehouse.duckdb is in use by process {os.getpid()}: wait for it to end, or stop it" in done.stdout
