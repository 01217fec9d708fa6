"""One writer at a time: a second one learns who the first is, and a dead process keeps nobody out."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from nightbook.engine import home
from nightbook.errors import NightbookError
from runner import locks

PROJECT = Path(locks.__file__).parents[1]
HOLD = """
import sys
from runner import locks
with locks.writing("score"):
    print("held", flush=True)
    sys.stdin.read()
"""
OPEN = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def child(script: str, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {
        "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'python_models'}",
        "NIGHTBOOK_ACTOR": "ann",
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = subprocess.Popen([sys.executable, "-c", script, *arguments], env=environment, text=True, **pipes)
    assert started.stdout.readline() == "held\n"
    return started


def refusal() -> str:
    with pytest.raises(NightbookError) as caught, locks.writing("train"):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_second_writer_is_told_who_is_the_first_and_a_killed_one_keeps_nobody_out(empty_home):
    with child(HOLD) as first:
        line = refusal()
        assert line.startswith(f"{empty_home} is being written by `score` of ann (process {first.pid} on ")
        assert line.endswith("wait for it to end, or stop it, then run this command again")
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    assert json.loads((empty_home / "lock.json").read_text())["process"] == first.pid
    with locks.writing("train") as killed:
        assert (killed.process, killed.command, killed.is_alive) == (first.pid, "score", False)
    with locks.writing("train") as killed:
        assert killed is None
    assert not list(empty_home.glob("lock.json*"))


def test_a_writer_that_ends_in_peace_leaves_no_note(empty_home):
    with child(HOLD) as first:
        first.stdin.close()
        assert first.wait() == 0
    assert not (empty_home / "lock.json").exists()
    with pytest.raises(ZeroDivisionError), locks.writing("train"):
        raise ZeroDivisionError
    assert not (empty_home / "lock.json").exists()
    with locks.writing("train") as killed:
        assert killed is None


@pytest.mark.parametrize(
    "note",
    [
        {"command": "score", "actor": "bob", "process": 1, "host": "another", "since": "2026-01-01 00:00:00"},
        {"command": "score", "actor": "bob", "process": os.getpid(), "host": socket.gethostname(), "since": "then"},
        {"command": "score", "host": "of another version"},
        "{not json",
    ],
)
def test_a_note_alone_keeps_nobody_out(empty_home, note):
    (empty_home / "lock.json").write_text(note if isinstance(note, str) else json.dumps(note))
    with locks.writing("train") as killed:
        assert (killed and killed.actor) == ("bob" if "actor" in note else None)


def test_a_holder_that_has_no_name_yet_is_no_dead_one(empty_home, monkeypatch):
    monkeypatch.setattr(locks, "_UNNAMED_SECONDS", 0.1)
    dead = {"command": "land", "actor": "bob", "process": 2**22 + 1, "host": socket.gethostname(), "since": "then"}
    with child(HOLD):
        (empty_home / "lock.json").write_text(json.dumps(dead))
        assert refusal().startswith(f"{empty_home} is being written by another process: ")


def test_a_command_within_a_command_holds_the_lock_already(empty_home):
    with locks.writing("demo"), locks.writing("score") as killed:
        assert killed is None
        assert json.loads((empty_home / "lock.json").read_text())["command"] == "demo"


def test_two_homes_do_not_wait_for_each_other(empty_home, monkeypatch, tmp_path_factory):
    with locks.writing("score"):
        monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path_factory.mktemp("other")))
        with locks.writing("score") as killed:
            assert killed is None


def test_who_has_the_warehouse_open_is_named_before_anything_is_begun(empty_home):
    with child(OPEN, str(home.warehouse())) as holder:
        assert refusal() == (f"{home.warehouse()} is in use by process {holder.pid}: wait for it to end, or stop it")
        holder.stdin.close()
    assert not (empty_home / "lock.json").exists()


def test_what_a_killed_engine_had_spilled_goes_away(empty_home):
    duckdb.connect(str(home.warehouse())).close()
    (empty_home / "spill").mkdir()
    (empty_home / "spill" / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x" * 1000)
    with locks.writing("score"):
        assert not (empty_home / "spill").exists()


def test_a_full_disk_is_said_before_anything_is_begun(empty_home, monkeypatch):
    full = shutil.disk_usage(empty_home)._replace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    line = refusal()
    assert line.startswith(f"{empty_home}: its disk has 5 MB free") and line.endswith("then run this command again")
    assert not (empty_home / "lock.json").exists()


def test_a_home_that_cannot_be_one_is_one_line(empty_home, monkeypatch):
    (empty_home / "file").write_text("in the way")
    monkeypatch.setenv("NIGHTBOOK_HOME", str(empty_home / "file"))
    assert refusal().endswith("file: File exists: set NIGHTBOOK_HOME to a folder that can be written")


@pytest.mark.parametrize("process", ["1", -1, 0, None, [1]])
def test_a_note_that_names_no_process_names_nobody(empty_home, process):
    note = {"command": "score", "actor": "[/risk]", "process": process, "host": socket.gethostname(), "since": "now"}
    (empty_home / "lock.json").write_text(json.dumps(note))
    with locks.writing("train") as before:
        assert before is None
