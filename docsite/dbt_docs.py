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
# Where dbt inserts the two files into a page that needs no server. dbt does not escape them, although they hold texts
# from people.
_INLINE = {'"MANIFEST.JSON INLINE DATA"': _MANIFEST, '"CATALOG.JSON INLINE DATA"': _CATALOG}
# Repairs of dbt's page. Without a server it would request things that do not exist: icons whose names are filled in
# later, a favicon that its own build left open, and a path of its original host. Its search treats names as HTML.
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
    """Let dbt compile the project and read the warehouse, and write its docs as one page.

    Args:
        target: folder for dbt's intermediate files.
        page: the file to write.

    Returns:
        The manifest that the page shows, and why the page lacks compiled SQL, or None.

    Raises:
        NightbookError: the project is not valid, the warehouse refuses, or dbt's page has changed.
    """
    target.mkdir()
    # dbt need not parse a project again that was parsed for this home. That saves ten seconds.
    parsed = home.home() / "target" / _PARSED
    if parsed.exists():
        shutil.copy(parsed, target / _PARSED)
    incomplete = dbt_build.document(target)
    text = (target / _PAGE).read_text(encoding="utf-8")
    made = {file: json.loads((target / file).read_text(encoding="utf-8")) for file in _INLINE.values()}
    for macro in made[_MANIFEST].get("macros", {}).values():
        # Private, by the underscore or as one engine's side of another macro.
        if macro["name"].startswith("_") or "__" in macro["name"]:
            macro["docs"]["show"] = False
    # Inserted last, so that the repairs do not search through the files' content.
    filled = [(place, shown.in_script(json.dumps(made[file]))) for place, file in _INLINE.items()]
    for before, after in (*_MENDED, *filled):
        if before not in text:
            raise NightbookError(f"dbt's docs have changed: {before} is missing from them; see docsite/dbt_docs.py")
        text = text.replace(before, after)
    page.write_text(text, encoding="utf-8")
    return made[_MANIFEST], incomplete
