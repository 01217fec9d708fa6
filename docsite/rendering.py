"""Pages as HTML from one template. Everything is escaped except the site's own markup."""

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from nightbook import shown
from nightbook.trail import svg

from docsite.blocks import Image, Link, Page, file_name
from docsite.cited import broken

_TEMPLATES = Path(__file__).parent / "templates"


def write(pages: Sequence[Page], folder: Path) -> None:
    """Write every page, its pictures beside it, and the one style sheet."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Docs blocks contain Markdown for dbt's docs. Raw HTML in them stays text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    environment.filters["markdown"] = lambda text: Markup(markdown.render(text))
    environment.filters["ticked"] = _ticked
    environment.filters["file"] = file_of
    environment.tests["link"] = lambda value: isinstance(value, Link)
    environment.tests["several"] = lambda value: isinstance(value, list | tuple)
    template = environment.get_template("page.html")
    for page in pages:
        environment.globals["to"] = lambda target, here=page.path: relative(target, here)
        path = folder / page.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.render(page=page, pages=pages), encoding="utf-8")
        for image in _images(page):
            file = path.parent / "images" / file_of(image)
            file.parent.mkdir(exist_ok=True)
            file.write_text(image.svg, encoding="utf-8")
    (folder / "style.css").write_text(svg.STYLE + (_TEMPLATES / "style.css").read_text(), encoding="utf-8")


def file_of(image: Image) -> str:
    """The file name of a picture, whatever its name contains."""
    return f"{file_name(image.name.removesuffix('.svg'))}.svg"


def relative(target: str, here: str) -> str:
    """A path from the site's root as a link from a page, whose path is also from the root."""
    path, hash_mark, anchor = target.partition("#")
    if not path or path == here:
        return f"{hash_mark}{anchor}" if anchor else posixpath.basename(here)
    return posixpath.relpath(path, posixpath.dirname(here) or ".") + hash_mark + anchor


def _seen(value: object) -> object:
    return shown.text(value) if type(value) is str else value


def _ticked(value: str) -> Markup:
    """A text with parts in backticks shown as code. A long name may break at its underscores."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(broken(value))))


def _images(page: Page) -> list[Image]:
    return [block for section in page.sections for block in section.blocks if isinstance(block, Image)]
