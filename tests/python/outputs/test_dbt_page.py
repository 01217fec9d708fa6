"""The page of dbt's docs, with what an attacker would put into the two files that it contains."""

import json
from html.parser import HTMLParser
from pathlib import Path

import dbt.task.docs
import pytest

from docsite import dbt_docs

PAGE = (Path(dbt.task.docs.__file__).parent / "index.html").read_text(encoding="utf-8")
ATTACKS = ["</script><script>alert(1)</script>", "<!--<script>", "]]><img src=x onerror=alert(1)>", "a\u2028b"]


class Elements(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.found = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, attributes))


def written(folder: Path, monkeypatch, actor: str) -> str:
    """The page of a project whose compiled SQL and catalog contain an actor."""
    node = {"compiled_code": f"select '{actor}' as actor", "columns": {actor: {"name": actor, "comment": actor}}}
    held = json.dumps({"nodes": {"model.nightbook.int_night": node}}, ensure_ascii=False)

    def document(target: Path) -> None:
        # As dbt does it: the files, its page, and the page with the files inserted.
        for name in ("manifest.json", "catalog.json"):
            (target / name).write_text(held, encoding="utf-8")
        (target / "index.html").write_text(PAGE, encoding="utf-8")
        inline = PAGE
        for name in ("MANIFEST.JSON", "CATALOG.JSON"):
            inline = inline.replace(f'"{name} INLINE DATA"', held)
        (target / "static_index.html").write_text(inline, encoding="utf-8")

    monkeypatch.setenv("NIGHTBOOK_HOME", str(folder))
    monkeypatch.setattr(dbt_docs.dbt_build, "document", document)
    dbt_docs.write(folder / "target", folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_actor_s_markup_stays_in_its_script(attack, tmp_path, monkeypatch):
    (tmp_path / "plain").mkdir()
    (tmp_path / "attacked").mkdir()
    plain = written(tmp_path / "plain", monkeypatch, "ada")
    attacked = written(tmp_path / "attacked", monkeypatch, attack)
    assert Elements(attacked).found == Elements(plain).found
    assert "alert(1)</script>" not in attacked and "\u2028" not in attacked.replace(PAGE, "")


def test_its_search_shows_a_column_s_name_as_text(tmp_path, monkeypatch):
    """The page inserts its search results as trusted HTML."""
    page = written(tmp_path, monkeypatch, "ada")
    [rest] = page.split("n.highlight=function(t){")[1:]
    assert rest.startswith('t=t&&String(t).replace(/&/g,"&amp;").replace(/</g,"&lt;");')
