"""A site as a reader sees it: every figure with its source, every link, every picture."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

_VOID = {"meta", "link", "img", "br", "wbr", "hr"}


@dataclass
class Read(HTMLParser):
    """One page. figures: (source, value, shown) of each; bare: numbers in numeric columns without a source."""

    figures: list[tuple[str, str, str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    bare: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    _open: list[tuple[str, dict]] = field(default_factory=list)
    _section: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[name] for name in ("href", "src") if name in given]
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "section":
            self._section = given["id"]
        if tag == "data":
            self.figures.append((given["title"], given["value"], ""))
        if tag == "p" and given.get("class") == "missing":
            self.missing.append("")
        if tag not in _VOID:
            self._open.append((tag, given))

    def handle_endtag(self, tag):
        assert self._open and self._open[-1][0] == tag, f"{tag} closes {self._open[-3:]}"
        self._open.pop()

    def handle_data(self, text):
        if not self._open or not text.strip():
            return
        if self._open[-1][0] == "data":
            source, value, shown = self.figures[-1]
            self.figures[-1] = (source, value, shown + text)
        elif ("td", {"class": "n"}) in self._open and any(map(str.isdigit, text)):
            self.bare.append((self._section, text))
        elif ("p", {"class": "missing"}) in self._open:
            self.missing[-1] += text


def read(file: Path) -> Read:
    page = Read()
    page.feed(file.read_text(encoding="utf-8"))
    page.close()
    assert not page._open, page._open
    return page


def broken_links(folder: Path, nodes: set[str]) -> list[str]:
    """Links and pictures that lead nowhere, or off the site.

    Args:
        folder: the site.
        nodes: unique ids of the nodes in dbt's docs.
    """
    pages = {file: read(file) for file in folder.rglob("*.html") if file.parent.name != "dbt"}
    found = []
    for file, page in pages.items():
        for link in page.links:
            if link == "data:,":
                continue
            path, anchor = urldefrag(link)
            target = (file.parent / path).resolve() if path else file.resolve()
            if "//" in link or path.startswith("/") or folder.resolve() not in target.parents:
                found.append(f"{file.name}: {link} leads off the site")
            elif target.parent.name == "dbt":
                if target.name != "index.html" or (anchor and anchor.rpartition("/")[2] not in nodes):
                    found.append(f"{file.name}: {link} is not in dbt's docs")
            elif not target.is_file():
                found.append(f"{file.name}: {link} is not there")
            elif anchor and anchor not in pages[target].anchors:
                found.append(f"{file.name}: {link} has no such section")
    return found
