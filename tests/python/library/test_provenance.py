"""The origin of a result."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from nightbook import provenance
from nightbook.trail import audit

LIBRARY = Path(provenance.__file__).parent


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


def test_the_digest_is_of_what_dbt_runs_whatever_its_cache_says_of_the_files(repository):
    """Whoever can write dbt's partial parse could make dbt run other code under the checksums of these files."""
    (repository / "limits.csv").write_text("rule,limit\nks,0.2\n")
    same = {"checksum": {"name": "sha256", "checksum": "C"}, "config": {"materialized": "table", "meta": {}},
            "columns": {}, "depends_on": {"nodes": []}}  # fmt: skip
    adapter = {
        str(number): {"macro_sql": macro, "package_name": "dbt_duckdb"}
        for number, macro in enumerate(provenance._macros_of("duckdb"))
    }

    def digest(sql="select 1", alias="m", identifier="t", macro="one", description="", tag="t", hook="h", type_="int"):
        model = {"resource_type": "model", "alias": alias, "raw_code": sql, "description": description, "tags": [tag]}
        model["columns"] = {"a": {"data_type": type_}, "b": {"description": description}}
        seed = {"resource_type": "seed", "alias": "limits", "raw_code": "", "original_file_path": "limits.csv"}
        hooks = {"operation.h": same | {"resource_type": "operation", "raw_code": hook}}
        return provenance._manifest_digest(
            {
                "nodes": {"model.m": same | model, "seed.limits": same | seed | {"root_path": str(repository)}} | hooks,
                "sources": {"s": {"schema": "raw", "identifier": identifier, "meta": {}, "source_meta": {}}},
                "macros": adapter | {"macro.a": {"macro_sql": macro, "package_name": "nightbook"}},
            }
        )

    first = digest()
    assert digest(description="other") == first
    others = [digest(sql="select 2"), digest(alias="o"), digest(identifier="u"), digest(macro="two")]
    others += [digest(tag="u"), digest(hook="none"), digest(type_="float")]
    (repository / "limits.csv").write_text("rule,limit\nks,0.1\n")
    others.append(digest())
    assert len({first, *others}) == 9


def test_two_codes_of_one_commit_are_named():
    def run(run_id, day, commit="a" * 40, is_dirty=False, **digests):
        digests = dict.fromkeys(provenance.DIGESTS, "D") | digests
        payload = {"run_id": run_id, "ended_at": f"2024-07-0{day}", "git_commit": commit, "is_dirty": is_dirty}
        return {"kind": "run", "payload": json.dumps(payload | digests)}

    alike = [run("R1", 1), run("R2", 2), run("R0", 0, tests_digest=None), {"kind": "promotion", "payload": "{}"}]
    assert audit._other_code(alike) == ()
    others = [
        run("R3", 3, commit="b" * 40, manifest_digest="E"),
        run("R4", 4, is_dirty=True, manifest_digest="F"),
        run("R5", 5, commit="unknown", manifest_digest="G"),
    ]
    assert audit._other_code(alike + others) == ()
    (told,) = audit._other_code([run("R7", 7, tests_digest="E"), *alike])
    assert told.startswith("run R7: its tests_digest is not that of run R1 of the same commit")


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of the library, for its digest."""
    folder = tmp_path / "nightbook"
    shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "__file__", str(folder / "provenance.py"))
    return folder


@pytest.mark.parametrize(("file", "decides"), [("scoring/scorer.py", True), ("trail/explanation_text.py", False)])
def test_what_reads_scores_is_not_in_the_digest_of_what_makes_them(library, file, decides):
    before = provenance.library_digest()
    with (library / file).open("a") as changed:
        changed.write("# another word\n")
    assert (provenance.library_digest() != before) is decides


def test_no_model_imports_what_reads_scores():
    models = [file for file in LIBRARY.parent.rglob("*.py") if LIBRARY not in file.parents]
    assert len(models) > 10
    assert [file.name for file in models if "nightbook.trail" in file.read_text()] == []
