"""What a page is made of; one template renders all of it, so that a page is one module and no HTML."""

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
    """Markdown, out of a docs block."""

    markdown: str
    kind: str = "prose"


@dataclass(frozen=True)
class Missing:
    """What would stand here, why it does not, and what brings it."""

    reason: str
    kind: str = "missing"


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and its value, or its values."""

    pairs: Sequence[tuple[str, object]]
    kind: str = "facts"


@dataclass(frozen=True)
class Table:
    """Rows of values. numbers: places of numeric columns. title: where it is given, the table opens when clicked."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: Sequence[int] = ()
    title: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Image:
    """A picture, an SVG element; told: what it shows, for who cannot see it."""

    name: str
    svg: str
    told: str
    kind: str = "image"


@dataclass(frozen=True)
class Link:
    """A way to a page, a section of one, or a node of dbt's docs; target: path from the site's root."""

    shown: str
    target: str


@dataclass(frozen=True)
class Section:
    """A heading and what is under it; anchor: how others point to it."""

    title: str
    anchor: str
    blocks: Sequence[object]


@dataclass(frozen=True)
class Page:
    """One HTML file. path: from the site's root; nav: its name in the list of pages; lead: what it is for."""

    path: str
    nav: str
    title: str
    lead: str
    sections: Sequence[Section] = field(default_factory=list)


def file_name(name: str) -> str:
    """A name as part of a file's: as it is where it is made of letters, digits and underscores, else a digest of it."""
    if re.fullmatch(r"\w{1,80}", name, re.ASCII):
        return name
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]


def node(name: str, shown: str = "", kind: str = "model") -> Link:
    """The way to a model, seed or exposure in dbt's docs."""
    return Link(shown or name, f"dbt/index.html#!/{kind}/{kind}.nightbook.{name}")
