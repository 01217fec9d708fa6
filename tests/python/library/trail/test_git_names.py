"""git reads commit names from records and from users as names only, never as options."""

import subprocess
from datetime import date
from pathlib import Path

import pytest
from nightbook import provenance
from nightbook.errors import NightbookError
from nightbook.trail import explanation, rerun
from nightbook.trail.scored_nights import Night

NAMES = [
    "--output={}", "--remote={}", "--exec={}", "HEAD", "main", "HEAD~1", "a" * 39, "a" * 41, "A" * 40, "", "-",
    "a" * 40 + "\n",
]  # fmt: skip


@pytest.fixture
def precious(tmp_path, monkeypatch) -> Path:
    """A file in a repository with one commit. A git option could overwrite it."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "precious.txt"
    file.write_text("precious")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "precious.txt"], [*author, "commit", "-qm", "one"]):
        subprocess.run(["git", *author, *command] if command[0] == "commit" else ["git", *command], check=True)
    return file


@pytest.mark.parametrize("name", NAMES)
def test_a_night_is_derived_from_whole_hashes_alone(precious, monkeypatch, name):
    run = {"run_id": "r", "git_commit": name.format(precious), "is_dirty": False}
    monkeypatch.setattr(rerun, "_build", lambda *_: False)
    with pytest.raises(NightbookError, match="not a full hash|in no commit") as refusal:
        rerun.derive(precious.parent / "scratch", Night(date(2026, 6, 30), run, {}))
    assert "\n" not in str(refusal.value) and precious.read_text() == "precious"


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_s_last_change_is_asked_of_whole_hashes_alone(precious, name):
    assert explanation._last_commit(["precious.txt"], {"git_commit": name.format(precious)}) is None
    assert precious.read_text() == "precious"


def test_a_whole_hash_is_one(precious):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert provenance.is_commit(commit) and not provenance.is_commit(None)
    assert explanation._last_commit(["precious.txt"], {"git_commit": commit}) == commit


def test_without_git_nothing_is_known_of_a_features_last_change(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert explanation._last_commit(["precious.txt"], {"git_commit": "0" * 40}) is None
