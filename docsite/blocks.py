"""The blocks of a page. One template renders all of them, so a page is one module without HTML."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A paragraph: texts, values and links, one after the other."""

    parts: Sequence[object]
    kind: str = "text"


@dataclass(frozen=True)
class Prose:
    """Markdown from a docs block."""

    markdown: str
    kind: str = "prose"


@dataclass(frozen=True)
class Missing:
    """Says that a figure is missing, why, and what would bring it."""

    reason: str
    kind: str = "missing"


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and its value or values."""

    pairs: Sequence[tuple[str, object]]
    kind: str = "facts"


@dataclass(frozen=True)
class Table:
    """Rows of values. `numbers`: positions of numeric columns. `title`: if given, the table is folded until clicked."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: Sequence[int] = ()
    title: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Image:
    """A picture, as an SVG element. `alt` describes it for readers who cannot see it."""

    name: str
    svg: str
    alt: str
    kind: str = "image"


@dataclass(frozen=True)
class Link:
    """A link to a page, a section of one, or a node of dbt's docs. `target`: path from the site's root."""

    shown: str
    target: str


@dataclass(frozen=True)
class Section:
    """A heading with its blocks. `anchor`: the name that links use."""

    title: str
    anchor: str
    blocks: Sequence[object]


@dataclass(frozen=True)
class Page:
    """One HTML file. `path`: from the site's root. `nav`: its name in the list of pages. `lead`: what it is for."""

    path: str
    nav: str
    title: str
    lead: str
    sections: Sequence[Section] = field(default_factory=list)


def file_name(name: str) -> str:
    """A name that is safe in a file name: unchanged if it has only letters, digits and underscores, else a digest."""
    if re.fullmatch(r"\w{1,80}", name, re.ASCII):
        return name
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]


def node(name: str, shown: str = "", kind: str = "model") -> Link:
    """A link to a model, seed or exposure in dbt's docs."""
    return Link(shown or name, f"dbt/index.html#!/{kind}/{kind}.nightbook.{name}")
