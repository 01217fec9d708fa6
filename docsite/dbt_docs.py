"""dbt's own docs as one page beside the others."""

import json
import shutil
from pathlib import Path

from nightbook import shown
from nightbook.engine import home
from nightbook.errors import NightbookError
from runner import dbt_build

_PARSED = "partial_parse.msgpack"
_PAGE, _MANIFEST, _CATALOG = "index.html", "manifest.json", "catalog.json"
# Where dbt puts the two files into a page that needs no server; as they are, although they hold texts of whoever acted.
_INLINE = {'"MANIFEST.JSON INLINE DATA"': _MANIFEST, '"CATALOG.JSON INLINE DATA"': _CATALOG}
# What dbt's page would ask a server for that is nowhere: icons whose names are filled in later, a favicon that its own
# build has not filled in, and a path of the host that the page was made for. And its search, to which names are HTML.
_MENDED = (
    ('xlink:href="{{ getIcon(', 'ng-attr-xlink:href="{{ getIcon('),
    ("${require('./assets/favicons/favicon.ico')}", "data:,"),
    ('<link rel="canonical" href="/overview/"/>', ""),
    (
        "n.highlight=function(t){if(",
        'n.highlight=function(t){t=t&&String(t).replace(/&/g,"&amp;").replace(/</g,"&lt;");if(',
    ),
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
    incomplete = dbt_build.document(target)
    text = (target / _PAGE).read_text(encoding="utf-8")
    # The files last: what they hold is not looked through.
    made = {file: json.loads((target / file).read_text(encoding="utf-8")) for file in _INLINE.values()}
    for macro in made[_MANIFEST].get("macros", {}).values():
        if macro["name"].startswith("_") or "__" in macro["name"]:
            macro["docs"]["show"] = False
    filled = [(place, shown.in_script(json.dumps(made[file]))) for place, file in _INLINE.items()]
    for before, after in (*_MENDED, *filled):
        if before not in text:
            raise NightbookError(f"dbt's docs have changed: {before} is not in them; see docsite/dbt_docs.py")
        text = text.replace(before, after)
    page.write_text(text, encoding="utf-8")
    return made[_MANIFEST], incomplete
