"""The library as a Snowflake account imports it: one zip file on a stage.

The same code and deployment give the same bytes. The zip also holds what a procedure cannot find out where it runs: the
commit, the address of the registry, what its functions need, and the SQL whose lineage is read there.
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

from nightbook import provenance
from nightbook.catalog import scoring_models
from nightbook.engine import deployment, home, snowflake_connection
from nightbook.errors import NightbookError
from nightbook.lineage import builds
from runner import dbt_build

STAGE = "code.library"
FILE = "nightbook.zip"
CADENCES = ("weekly", "nightly")
# These run outside the Snowflake account and decide which statements it gets.
_BESIDE = ("dbt-core", "dbt-snowflake")
# The earliest time that a zip file can hold. The bytes must not depend on when the library was staged.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def stage(cadences: Iterable[str] = CADENCES) -> str:
    """Put the library on its stage, ready for builds of the given cadences, weekly or nightly.

    Other selectors are accepted, but they read no lineage, so no SQL is packed for them.

    Returns:
        SHA-256 of the zip.

    Raises:
        NightbookError: the target is not Snowflake, the registry is not a server, the project is not valid, or
            Snowflake refuses.
    """
    if not home.is_account():
        raise NightbookError("DuckDB runs Python beside dbt and needs no stage: set NIGHTBOOK_TARGET=snowflake")
    uri = home.registry_uri()
    if not uri.startswith(("http://", "https://")):
        raise NightbookError(
            "MLFLOW_TRACKING_URI is not the address of a server: Snowflake reaches the registry over http"
        )
    nodes = _nodes(cadences)
    packed = pack(_record(uri), nodes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(packed)
        with snowflake_connection.connected() as connection:
            connection.rows(f"put 'file://{path}' @{STAGE} auto_compress = false overwrite = true")
    return hashlib.sha256(packed).hexdigest()


def pack(record: dict, nodes: list[dict]) -> bytes:
    """Return the zip: every module of the library, and its deployment record."""
    root = Path(provenance.__file__).parent
    files = {f"nightbook/{path.relative_to(root).as_posix()}": path.read_bytes() for path in root.glob("**/*.py")}
    # Names of people are compared inside Snowflake too, and Snowflake's package channel lacks this package.
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
    """Nodes of the cadences. The SQL of each node is that of a build of its own cadence."""
    found: dict[str, dict] = {}
    dbt_build.parse()
    for cadence in filter(CADENCES.__contains__, cadences):
        dbt_build.compile_all(cadence)
        for node in builds.nodes():
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
        "scoring_models": scoring_models.staged(),
    }


def _runtime() -> dict:
    """Return the runtime that the Python models are configured with. All of them have the same."""
    manifest = json.loads((home.home() / "target" / "manifest.json").read_text())
    node = next(node for node in manifest["nodes"].values() if node.get("language") == "python")
    return {name: node["config"][name] for name in ("python_version", "packages", "imports")}
