"""Where a result came from."""

import subprocess

import pytest
from nightbook import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    provenance.git_commit.cache_clear()
    yield tmp_path
    provenance.git_commit.cache_clear()


def git(*arguments: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *author, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_clean_then_changed(repository):
    git("init", "-q")
    (repository / "model.sql").write_text("select 1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    (repository / "notes.txt").write_text("not part of the code\n")
    commit = git("rev-parse", "HEAD")
    assert len(commit) == 40 and provenance.git_commit() == commit
    (repository / "model.sql").write_text("select 2\n")
    assert provenance.git_commit() == commit, "one run reports one commit"
    provenance.git_commit.cache_clear()
    assert provenance.git_commit() == f"{commit}-dirty"


def test_code_that_nobody_has_committed_is_a_change(repository):
    git("init", "-q")
    (repository / "models").mkdir()
    (repository / "models" / "a.sql").write_text("select 1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    (repository / "models" / "b.sql").write_text("select 2\n")
    assert provenance.git_commit().endswith("-dirty")


def test_no_checkout(repository):
    assert provenance.git_commit() == "unknown"


def test_checkout_without_a_commit(repository):
    git("init", "-q")
    assert provenance.git_commit() == "unknown"


def test_no_git(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert provenance.git_commit() == "unknown"


def test_git_that_hangs(repository, monkeypatch):
    def hang(*_, **options):
        raise subprocess.TimeoutExpired("git", options["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    assert provenance.git_commit() == "unknown"


def test_versions_of_what_makes_a_score():
    import duckdb
    import numpy
    import xgboost

    found = provenance.library_versions()
    assert found["xgboost"] == xgboost.__version__
    assert found["numpy"] == numpy.__version__ and found["duckdb"] == duckdb.__version__
    assert set(found) == {"xgboost", *provenance.LIBRARIES} and all(found.values())


def test_threads(monkeypatch):
    monkeypatch.setenv("NIGHTBOOK_THREADS", "7")
    assert provenance.threads() == 7
    monkeypatch.delenv("NIGHTBOOK_THREADS")
    assert provenance.threads() == 2
