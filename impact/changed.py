"""`python -m impact.changed STATE`: selectors of what differs from a manifest, with its children and their parents.

dbt compares SQL, seeds, macros and configuration, but does not notice an edited library. The runner leaves the
library's digest in the manifest. If that digest differs or is missing, all Python models count as modified.
"""

import json
import sys
from pathlib import Path

from nightbook import provenance, shown
from nightbook.errors import NightbookError

MODIFIED = "@state:modified"
PYTHON_MODELS = "@path:python_models"


def selectors(state: Path) -> list[str]:
    """What `dbt build --select` takes.

    Args:
        state: folder with the manifest.json of a build, for `--state`.

    Returns:
        Selectors of the modified nodes.

    Raises:
        NightbookError: there is no manifest.
    """
    manifest = state / "manifest.json"
    if not manifest.exists():
        raise NightbookError(f"{manifest} does not exist: name the folder of a build's manifest, STATE=...")
    environment = json.loads(manifest.read_text(encoding="utf-8"))["metadata"].get("env", {})
    is_same = environment.get("NIGHTBOOK_LIBRARY") == provenance.library_digest()
    return [MODIFIED] if is_same else [MODIFIED, PYTHON_MODELS]


if __name__ == "__main__":
    try:
        print(*selectors(Path(sys.argv[1])))
    except NightbookError as error:
        sys.exit(shown.line(f"nightbook: {error}"))
