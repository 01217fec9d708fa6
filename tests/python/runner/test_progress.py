"""What a command says while it works: lines in a log, a bar on a terminal."""

import io
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nightbook import steps
from runner import progress

ROOT = Path(__file__).resolve().parents[3]


def listen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard error that is no terminal, in a rhythm fifty times as fast."""
    monkeypatch.setattr(progress, "NEWS_SECONDS", 0.1)
    monkeypatch.setattr(progress, "STILL_SECONDS", 0.5)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    return sys.stderr


def until_said(log: io.StringIO, *lines: str) -> None:
    """Wait for these lines, of which a line without news may be repeated."""
    until = time.monotonic() + 20
    said = []
    while said != list(lines) and time.monotonic() < until:
        time.sleep(0.01)
        said = list(dict.fromkeys(re.sub(r", \d+ s$", "", line) for line in log.getvalue().splitlines()))
    assert said == list(lines)


def test_a_log_gets_a_line_for_news(monkeypatch):
    log = listen(monkeypatch)
    with progress.doing("Scoring", "nodes") as work:
        work.tell(done=45, total=1800, part="tonight_account_scores")
        first = "Scoring: 45 of 1,800 nodes, tonight_account_scores"
        until_said(log, first)
        work.tell(done=46, part="candidates")
        with steps.at("account_pd: fits [/boosted] trees"):
            until_said(log, first, "Scoring: 46 of 1,800 nodes, candidates, account_pd: fits [/boosted] trees")
    assert "\x1b" not in log.getvalue()
    assert all(re.fullmatch(r"Scoring: .*, \d+ s", line) for line in log.getvalue().splitlines())


def test_without_news_a_line_is_rare_but_comes(monkeypatch):
    log = listen(monkeypatch)
    with progress.doing("Landing", "accounts"):
        time.sleep(1.2)
    said = log.getvalue().splitlines()
    assert 2 <= len(said) <= 3 and set(said) <= {"Landing, 0 s", "Landing, 1 s"}


def test_what_is_done_at_once_says_nothing(capsys):
    with progress.doing("Scoring", "nodes") as work:
        work.tell(done=1, total=1)
    assert capsys.readouterr().err == ""


def test_a_step_is_over_when_it_ends():
    with progress.doing("Training", "nodes") as work:
        with steps.at("account_pd: fits boosted trees"):
            assert str(work) == "Training: account_pd: fits boosted trees"
        assert str(work) == "Training"
    with steps.at("nobody listens"):
        assert str(work) == "Training"


def test_a_reader_who_has_gone_does_not_stop_the_work(monkeypatch):
    log = listen(monkeypatch)
    with progress.doing("Scoring", "nodes") as work:
        log.close()
        time.sleep(0.25)
        work.tell(done=1)
    assert work.done == 1


def test_a_terminal_gets_a_bar():
    code = (
        "import time\nfrom runner import progress\n"
        "with progress.doing('Scoring', 'nodes') as work:\n"
        "    work.tell(done=45, total=180, part='tonight_account_scores')\n"
        "    time.sleep(0.5)\n"
    )
    here, there = pty.openpty()
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'python_models'}:{ROOT}", "TERM": "xterm", "COLUMNS": "140"}
    done = subprocess.run([sys.executable, "-c", code], stderr=there, stdout=subprocess.PIPE, env=environment)
    os.close(there)
    shown = b""
    try:
        while some := os.read(here, 65536):
            shown += some
    except OSError:
        pass
    text = shown.decode()
    assert done.returncode == 0 and not done.stdout
    assert "\x1b[" in text and "Scoring: tonight_account_scores" in text and "45/180" in text
