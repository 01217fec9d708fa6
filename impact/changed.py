"""`python -m impact.changed STATE`: selectors of what differs from a manifest, with its children and their parents.

dbt compares SQL, seeds, macros and configuration, but does not notice an edited library or the rules of a column. The
runner leaves the library's digest in the manifest. If that digest differs or is missing, all Python models count as
modified. A relation counts as modified if the rules of its columns differ.
"""

import json
import sys
from pathlib import Path

from nightbook import provenance, shown
from nightbook.engine import home
from nightbook.errors import NightbookError

MODIFIED = "@state:modified"
PYTHON_MODELS = "@path:python_models"


def selectors(state: Path, project: Path) -> list[str]:
    """What `dbt build --select` takes.

    Args:
        state: folder with the manifest.json of a build, for `--state`.
        project: folder with the manifest.json of this project, as dbt has parsed it.

    Returns:
        Selectors of the modified nodes.

    Raises:
        NightbookError: there is no manifest.
    """
    if state.resolve() == project.resolve():
        raise NightbookError(
            f"{state} is this project's own target: name the folder of another build's manifest, STATE=..."
        )
    then, now = (_manifest(folder) for folder in (state, project))
    is_same = then["metadata"].get("env", {}).get("NIGHTBOOK_LIBRARY") == provenance.library_digest()
    before, after = provenance.rules(then), provenance.rules(now)
    changed = sorted(name for name in now["nodes"] if before.get(name) != after.get(name))
    return [MODIFIED, *([] if is_same else [PYTHON_MODELS]), *(f"@{name.rpartition('.')[2]}" for name in changed)]


def _manifest(folder: Path) -> dict:
    file = folder / "manifest.json"
    if not file.exists():
        raise NightbookError(f"{file} does not exist: name the folder of a build's manifest, STATE=...")
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    try:
        print(*selectors(Path(sys.argv[1]), home.home() / "target"))
    except NightbookError as error:
        sys.exit(shown.line(f"nightbook: {error}"))
