"""Where a result came from: code, libraries, machine settings."""

import functools
import os
import subprocess
from importlib import metadata

LIBRARIES = ("dbt-core", "dbt-duckdb", "duckdb", "mlflow", "numpy", "pyarrow", "scikit-learn", "scipy")


@functools.cache
def git_commit() -> str:
    """The commit of the working tree, with '-dirty' when it holds changes; 'unknown' outside a checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def library_versions() -> dict[str, str]:
    """Versions of everything whose change could change a model or a score."""
    import xgboost

    return {"xgboost": xgboost.__version__} | {name: metadata.version(name) for name in LIBRARIES}


def threads() -> int:
    """Threads of a fit or a scoring; results do not depend on it."""
    return int(os.environ.get("NIGHTBOOK_THREADS", "2"))


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
