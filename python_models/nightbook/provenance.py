"""Where a result came from: code, libraries, machine settings."""

import functools
import hashlib
import json
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pyarrow as pa

from nightbook import deployment, home

LIBRARIES = ("dbt-core", "dbt-duckdb", "duckdb", "mlflow", "numpy", "pyarrow", "scikit-learn", "scipy")
# Of these a staged library has what it computes with; the rest ran beside the account and stands in its deployment.
COMPUTING = ("mlflow", "numpy", "pyarrow", "scikit-learn", "scipy", "snowflake-snowpark-python")

# Folders in which a file that nobody has committed is code all the same.
CODE = ("macros", "models", "python_models", "seeds", "snapshots")
DIGESTS = ("manifest_digest", "library_digest", "lock_digest")
# Configuration that no score depends on: what readers are told, how much is done at a time, where and as whom.
_NO_MATTER = ("access", "docs", "group", "meta", "external_access_integrations", "imports", "query_tag", "secrets",
              "snowflake_warehouse", "transient")  # fmt: skip
# What dbt knows of a node beside its content and its configuration, and runs it by.
_RUN_BY = ("name", "alias", "language", "tags")
# Their macros come with the lock.
_ADAPTERS = ("dbt_duckdb", "dbt_snowflake")
_DIRTY = "-dirty"

SCHEMA = pa.schema(
    [
        ("git_commit", pa.string()),
        ("is_dirty", pa.bool_()),
        ("manifest_digest", pa.string()),
        ("library_digest", pa.string()),
        ("lock_digest", pa.string()),
        ("engine", pa.string()),
        ("versions", pa.string()),
    ]
)


@functools.cache
def git_commit() -> str:
    """The commit of the working tree, with '-dirty' when it holds changes or new code; 'unknown' outside a checkout.

    Of a staged library: what it was when the library was staged.
    """
    staged = deployment.record()
    if staged is not None:
        return staged["git_commit"]
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
        added = _git("ls-files", "--others", "--exclude-standard", "--", *CODE)
        return f"{commit}{_DIRTY}" if changed or added else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def is_commit(name: object) -> bool:
    """Whether a name is the whole hash of a commit: git takes others for options, files and branches as well."""
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name) is not None


def library_versions() -> dict[str, str]:
    """Versions of everything whose change could change a model or a score."""
    import xgboost

    staged = deployment.record()
    beside = staged["versions"] if staged else {}
    names = COMPUTING if staged else LIBRARIES
    return {"xgboost": xgboost.__version__} | {name: metadata.version(name) for name in names} | beside


def record(engine: str) -> dict:
    """The code and the settings of this run, a row of `SCHEMA`; `versions` is JSON.

    Args:
        engine: name and version of what runs the SQL, as `frames.engine` gives it.
    """
    commit = git_commit()
    versions = library_versions() | {"python": platform.python_version()}
    return {
        "git_commit": commit.removesuffix(_DIRTY),
        "is_dirty": commit.endswith(_DIRTY),
        **code_digests(),
        "engine": engine,
        "versions": json.dumps(versions, sort_keys=True),
    }


def code_digests() -> dict[str, str]:
    """SHA-256 of the three things that decide a score: what dbt runs, the library, and the lock.

    Keys manifest_digest, library_digest and lock_digest. The first is of the manifest that dbt has written for this
    run: content and configuration of models, seeds and snapshots, hooks, where sources are, and all macros but the
    engine's adapter's, so that the same code has the same digest on every engine. Tests and descriptions decide no
    score.

    Raises:
        OSError: the working directory is not the project's, or dbt has not parsed it yet.
    """
    staged = deployment.record()
    if staged is not None:
        return {name: staged[name] for name in DIGESTS}
    return {
        "manifest_digest": _manifest_digest(json.loads((home.home() / "target" / "manifest.json").read_text())),
        "library_digest": library_digest(),
        "lock_digest": _files_digest(Path.cwd(), "requirements.txt"),
    }


def library_digest() -> str:
    """SHA-256 of the library's files, which dbt does not look at."""
    return _files_digest(Path(__file__).parent, "**/*.py")


def threads() -> int:
    """Threads of a fit or a scoring; results do not depend on it."""
    return int(os.environ.get("NIGHTBOOK_THREADS", "2"))


def _manifest_digest(manifest: dict) -> str:
    nodes = {
        name: [
            _content_digest(node),
            [node.get(field) for field in _RUN_BY],
            {name: column["data_type"] for name, column in node["columns"].items() if column.get("data_type")},
            {key: value for key, value in node["config"].items() if not _is_no_matter(key)},
        ]
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot")
    }
    # Hooks; those of the engine's adapter, if any, come with the lock.
    hooks = {
        name: node["raw_code"]
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "operation" and node["package_name"] not in _ADAPTERS
    }
    sources = {
        name: [source["schema"], source["identifier"], source["meta"], source["source_meta"]]
        for name, source in manifest["sources"].items()
    }
    macros = {
        name: macro["macro_sql"] for name, macro in manifest["macros"].items() if macro["package_name"] not in _ADAPTERS
    }
    return hashlib.sha256(json.dumps([nodes, hooks, sources, macros], sort_keys=True).encode()).hexdigest()


def _content_digest(node: dict) -> str:
    # What dbt runs: the checksum beside it is of the file, and dbt's cache of an earlier parse may say otherwise.
    if node["resource_type"] == "seed":
        content = (Path(node["root_path"]) / node["original_file_path"]).read_bytes()
    else:
        content = node["raw_code"].encode()
    return hashlib.sha256(content).hexdigest()


def _is_no_matter(key: str) -> bool:
    return key in _NO_MATTER or key.endswith("_at_a_time")


def _files_digest(folder: Path, pattern: str) -> str:
    """SHA-256 of the digests of files and their names, in the order of the names."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n"
        for file in sorted(folder.glob(pattern))
    ]
    if not lines:
        raise FileNotFoundError(f"there is no {pattern} in {folder}")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
