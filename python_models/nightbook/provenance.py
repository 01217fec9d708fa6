"""The origin of a result: code, libraries, machine settings."""

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

from nightbook.engine import deployment, home
from nightbook.errors import NightbookError

LIBRARIES = ("dbt-core", "dbt-duckdb", "duckdb", "mlflow", "numpy", "pyarrow", "scikit-learn", "scipy")
# Libraries of a staged run inside Snowflake. Versions of what runs outside are in its deployment record.
COMPUTING = ("mlflow", "numpy", "pyarrow", "scikit-learn", "scipy", "snowflake-snowpark-python")

# No model imports this package of the library, so no score depends on it.
_READERS = "trail"
# Folders in which an uncommitted file counts as code.
CODE = ("macros", "models", "python_models", "seeds", "snapshots")
DIGESTS = ("manifest_digest", "library_digest", "lock_digest", "tests_digest")
# Configuration that no score depends on: texts for readers, batch sizes, where and as whom something runs.
_NO_MATTER = ("access", "docs", "group", "meta", "external_access_integrations", "imports", "query_tag", "secrets",
              "snowflake_warehouse", "transient")  # fmt: skip
# What dbt uses to run a node, besides its content and its configuration.
_RUN_BY = ("name", "alias", "schema", "language", "tags", "index", "test_metadata")
# Blocks from which dbt makes a macro.
_BLOCKS = {"macro", "materialization", "test", "data_test"}
_DIRTY = "-dirty"

SCHEMA = pa.schema(
    [
        ("git_commit", pa.string()),
        ("is_dirty", pa.bool_()),
        ("manifest_digest", pa.string()),
        ("library_digest", pa.string()),
        ("lock_digest", pa.string()),
        ("tests_digest", pa.string()),
        ("engine", pa.string()),
        ("versions", pa.string()),
    ]
)


@functools.cache
def git_commit() -> str:
    """The commit of the working tree, with '-dirty' if it has changes or new code. 'unknown' outside a checkout.

    In a staged library, this is the value when the library was staged.
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
    """Whether a name is the full hash of a commit. git would read other names as options, files or branches."""
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name) is not None


def library_versions() -> dict[str, str]:
    """Versions of everything that could change a model or a score."""
    import xgboost

    staged = deployment.record()
    beside = staged["versions"] if staged else {}
    names = COMPUTING if staged else LIBRARIES
    return {"xgboost": xgboost.__version__} | {name: metadata.version(name) for name in names} | beside


def record(engine: str) -> dict:
    """The code and the settings of this run, a row of `SCHEMA`. `versions` is JSON.

    Args:
        engine: name and version of what runs the SQL, as `frames.engine` returns it.
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
    """SHA-256 of what decides a score (what dbt runs, the library, the lock file), and of the data tests.

    The keys are manifest_digest, library_digest, lock_digest and tests_digest.

    The manifest digest covers content and configuration of models, seeds, snapshots and hooks, and where sources are.
    It covers all macros but the adapter's, so that the same code has the same digest on every engine. The adapter's
    macros must be as they were installed. Data tests and the rules of columns only decide whether a score is published,
    so they have a digest of their own. Descriptions and unit tests are in no digest.

    Raises:
        NightbookError: dbt runs other macros of the adapter than the installed ones.
        OSError: the working directory is not the project's, or dbt has not parsed it yet.
    """
    staged = deployment.record()
    if staged is not None:
        return {name: staged[name] for name in DIGESTS}
    manifest = json.loads((home.home() / "target" / "manifest.json").read_text())
    return {
        "manifest_digest": _manifest_digest(manifest),
        "library_digest": library_digest(),
        "lock_digest": _files_digest(Path.cwd(), Path.cwd() / _lock()),
        "tests_digest": _digest([_nodes(manifest, ("test",)), rules(manifest)]),
    }


def library_digest() -> str:
    """SHA-256 of the library's files, which dbt does not digest. The package that only reads scores is left out."""
    library = Path(__file__).parent
    return _files_digest(library, *(file for file in library.glob("**/*.py") if library / _READERS not in file.parents))


def _lock() -> str:
    """The lock of what this run's engine needs."""
    return "requirements-snowflake.txt" if home.is_account() else "requirements.txt"


def rules(manifest: dict) -> dict[str, dict]:
    """Node -> column -> the rules that the YAML gives it. The test keeps_rules reads them; dbt compares none."""
    return {
        name: found
        for name, node in manifest["nodes"].items()
        if (found := {one: c["meta"]["rules"] for one, c in node["columns"].items() if c["meta"].get("rules")})
    }


def threads() -> int:
    """Number of threads of a fit or a scoring. Results do not depend on it."""
    return int(os.environ.get("NIGHTBOOK_THREADS", "2"))


def _manifest_digest(manifest: dict) -> str:
    nodes = _nodes(manifest, ("model", "seed", "snapshot", "operation"))
    sources = {
        name: [source["schema"], source["identifier"], source["meta"], source["source_meta"]]
        for name, source in manifest["sources"].items()
    }
    adapter = "snowflake" if home.is_account() else "duckdb"
    installed = {name: macro for name, macro in manifest["macros"].items() if macro["package_name"] == f"dbt_{adapter}"}
    if sorted(macro["macro_sql"] for macro in installed.values()) != _macros_of(adapter):
        raise NightbookError(
            f"dbt's parse cache holds other macros than the installed dbt-{adapter}: delete"
            f" {home.home() / 'target' / 'partial_parse.msgpack'} and run this command again"
        )
    macros = {name: macro["macro_sql"] for name, macro in manifest["macros"].items() if name not in installed}
    return _digest([nodes, sources, macros])


def _nodes(manifest: dict, kinds: tuple[str, ...]) -> dict[str, list]:
    """What decides the result of each node of these kinds."""
    return {
        name: [
            _content_digest(node),
            [node.get(field) for field in _RUN_BY],
            sorted(node["depends_on"].get("nodes", ())),
            {name: column["data_type"] for name, column in node["columns"].items() if column.get("data_type")},
            {key: value for key, value in node["config"].items() if not _is_no_matter(key)},
        ]
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in kinds
    }


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _macros_of(adapter: str) -> list[str]:
    """The macros of an installed adapter, extracted from its files as dbt does it."""
    from dbt_common.clients import jinja

    folder = Path(str(metadata.distribution(f"dbt-{adapter}").locate_file(f"dbt/include/{adapter}/macros")))
    return sorted(
        block.full_block or ""
        for file in folder.rglob("*.sql")
        for block in jinja.extract_toplevel_blocks(file.read_text("utf-8").strip(), _BLOCKS, collect_raw_data=False)
    )


def _content_digest(node: dict) -> str:
    # A digest of what dbt runs. The checksum in the manifest is of the file, and dbt's partial parse may hold older
    # code.
    if node["resource_type"] == "seed":
        content = (Path(node["root_path"]) / node["original_file_path"]).read_bytes()
    else:
        content = node["raw_code"].encode()
    return hashlib.sha256(content).hexdigest()


def _is_no_matter(key: str) -> bool:
    return key in _NO_MATTER or key.endswith("_at_a_time")


def _files_digest(folder: Path, *files: Path) -> str:
    """SHA-256 over the digests and names of files, in the order of the names."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}\n"
        for file in sorted(files)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
