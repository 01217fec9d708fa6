"""The library as a Snowflake account imports it: one zip on a stage, the same bytes for the same code and deployment.

Beside the library it holds what a procedure cannot find out where it runs: which checkout it was made from, where the
registry is, what its functions need, and the SQL whose lineage is read there.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable
from importlib import metadata, resources
from pathlib import Path

from nightbook import lineage, provenance
from nightbook.engine import deployment, home, snowflake_connection
from nightbook.errors import NightbookError
from runner import dbt_build

STAGE = "code.library"
FILE = "nightbook.zip"
CADENCES = ("weekly", "nightly")
# What runs beside the account and decides what it is asked.
_BESIDE = ("dbt-core", "dbt-snowflake")
# The earliest time that a ZIP file can hold: the library says nothing of when it was staged.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def stage(cadences: Iterable[str] = CADENCES) -> str:
    """Put the library on its stage, fit for builds of some cadences, weekly or nightly; others read no lineage.

    Returns:
        SHA-256 of the zip.

    Raises:
        NightbookError: the target is no account, the registry is no server, the project is not valid, or the account
            refuses.
    """
    if not home.is_account():
        raise NightbookError("DuckDB runs Python beside dbt and needs no stage: set NIGHTBOOK_TARGET=snowflake")
    uri = home.registry_uri()
    if not uri.startswith(("http://", "https://")):
        raise NightbookError("MLFLOW_TRACKING_URI names no server: an account reaches the registry over http")
    nodes = _nodes(cadences)
    packed = pack(_record(uri), nodes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(packed)
        with snowflake_connection.connected() as connection:
            connection.rows(f"put 'file://{path}' @{STAGE} auto_compress = false overwrite = true")
    return hashlib.sha256(packed).hexdigest()


def pack(record: dict, nodes: list[dict]) -> bytes:
    """The zip: every module of the library, and what it is to know of its deployment."""
    root = Path(provenance.__file__).parent
    files = {f"nightbook/{path.relative_to(root).as_posix()}": path.read_bytes() for path in root.glob("**/*.py")}
    # Who is who is asked where the scores are made too; the account's own channel does not have it.
    look_alikes = resources.files("homoglyphs_fork")
    files |= {f"homoglyphs_fork/{one.name}": one.read_bytes() for one in look_alikes.iterdir() if one.is_file()}
    files[f"nightbook/{deployment.FILE}"] = json.dumps(record, sort_keys=True).encode()
    files[f"nightbook/{deployment.LINEAGE_FILE}"] = json.dumps(nodes, sort_keys=True).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def _nodes(cadences: Iterable[str]) -> list[dict]:
    """Nodes of the cadences; the SQL of each as it is when its own cadence is built."""
    found: dict[str, dict] = {}
    dbt_build.parse()
    for cadence in filter(CADENCES.__contains__, cadences):
        dbt_build.compile_all(cadence)
        for node in lineage.nodes():
            if cadence in node["tags"] or node["name"] not in found:
                found[node["name"]] = node
    return list(found.values())


def _record(uri: str) -> dict:
    return {
        "git_commit": provenance.git_commit(),
        **provenance.code_digests(),
        "versions": {name: metadata.version(name) for name in _BESIDE},
        "mlflow_tracking_uri": uri,
        "has_mlflow_secret": bool(os.environ.get("NIGHTBOOK_MLFLOW_SECRET")),
        "origin": snowflake_connection.name(),
        "runtime": _runtime(),
    }


def _runtime() -> dict:
    """What the Python models are configured to run with, all of them with the same."""
    manifest = json.loads((home.home() / "target" / "manifest.json").read_text())
    node = next(node for node in manifest["nodes"].values() if node.get("language") == "python")
    return {name: node["config"][name] for name in ("python_version", "packages", "imports")}
