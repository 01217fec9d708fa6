"""Workflows: the linters fail on planted faults, and every step is a make target."""

import os
import re
import subprocess
from pathlib import Path

import yaml

from tests.python.tools import tool

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Reads a secret that its author chose, with the base's rights: all that a pull request must not be given.
HARMFUL = """\
name: Harmful
on: pull_request_target
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
        with:
          ref: ${{ github.event.pull_request.head.sha }}
      - run: echo "${{ github.event.pull_request.title }}"
"""
BROKEN = """\
name: Broken
on: push
jobs:
  build:
    runs-on: ubuntu-24.04
    needs: nobody
    steps:
      - run: echo ${{ github.event.no_such_function() }}
      - run: cat $UNQUOTED
"""


def told(name: str, *arguments: str | Path) -> str:
    """What a tool reports on files that it must not pass."""
    command = tool(name)
    # actionlint calls shellcheck.
    path = os.pathsep.join((str(command.parent), os.environ["PATH"]))
    done = subprocess.run(
        [command, *arguments], env=os.environ | {"PATH": path}, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0, done.stdout
    return done.stdout + done.stderr


def test_a_workflow_that_gives_its_rights_away_is_refused(tmp_path):
    file = tmp_path / "harmful.yml"
    file.write_text(HARMFUL)
    found = told("zizmor", "--offline", "--no-progress", file)
    for audit in ("dangerous-triggers", "template-injection", "unpinned-uses", "excessive-permissions"):
        assert audit in found


def test_a_workflow_that_cannot_run_is_refused(tmp_path):
    file = tmp_path / "broken.yml"
    file.write_text(BROKEN)
    found = told("actionlint", "-no-color", file)
    for fault in ('"nobody"', "no_such_function", "SC2086"):
        assert fault in found


def test_yaml_that_repeats_a_key_is_refused(tmp_path):
    file = tmp_path / "twice.yml"
    file.write_text("name: one\nname: two\n")
    assert "duplication of key" in told("yamllint", "--config-file", ROOT / ".yamllint", file)


def test_every_step_is_a_make_target_that_is_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set()
    for file in WORKFLOWS:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            for step in job["steps"]:
                used |= set(re.findall(r"\bmake (\w+)", step.get("run", "")))
    assert {"lint", "test", "impact", "changed", "night", "week", "docs", "demo"} == used <= targets


def test_a_pull_request_reads_no_secret():
    [check] = [file.read_text() for file in WORKFLOWS if file.name == "pull-request.yml"]
    assert "secrets." not in check and "pull_request_target" not in check
    assert all(set(job["permissions"]) == {"contents"} for job in yaml.safe_load(check)["jobs"].values())
