"""dbt's own docs as one page beside the others."""

import json
import shutil
from pathlib import Path

from nightbook import builds, home
from nightbook.errors import NightbookError

_PARSED = "partial_parse.msgpack"
_STATIC, _MANIFEST = "static_index.html", "manifest.json"
# What dbt's page would ask a server for that is nowhere: icons whose names are filled in later, a favicon that its own
# build has not filled in, and a path of the host that the page was made for.
_MENDED = (
    ('xlink:href="{{ getIcon(', 'ng-attr-xlink:href="{{ getIcon('),
    ("${require('./assets/favicons/favicon.ico')}", "data:,"),
    ('<link rel="canonical" href="/overview/"/>', ""),
)


def write(target: Path, page: Path) -> tuple[dict, str | None]:
    """Have dbt compile the project and look at the warehouse, and write its docs as one page.

    Args:
        target: folder for what dbt makes on the way.

    Returns:
        The manifest that the page shows, and why it is without compiled SQL, where it is.

    Raises:
        NightbookError: the project is not valid, the warehouse refuses, or the page is not one that is known here.
    """
    target.mkdir()
    # A project that has been parsed for this home is not parsed again, which saves ten seconds.
    parsed = home.home() / "target" / _PARSED
    if parsed.exists():
        shutil.copy(parsed, target / _PARSED)
    incomplete = builds.document(target)
    text = (target / _STATIC).read_text(encoding="utf-8")
    for before, after in _MENDED:
        if before not in text:
            raise NightbookError(f"dbt's docs have changed: {before} is not in them; see docsite/dbt_docs.py")
        text = text.replace(before, after)
    page.write_text(text, encoding="utf-8")
    return json.loads((target / _MANIFEST).read_text(encoding="utf-8")), incomplete
