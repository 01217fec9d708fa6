"""Build the whole site: dbt's docs, then the pages. Then replace the previous site by both."""

import os
import pkgutil
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from nightbook.engine import home, warehouse
from nightbook.errors import NightbookError
from nightbook.registry import mlflow_store

from docsite import dbt_docs, pages, rendering
from docsite.blocks import Page
from docsite.reading import Reading

# A folder must hold these to be replaced, so that nobody's own files are deleted.
_OF_A_SITE = ("style.css", "dbt/index.html")


@dataclass(frozen=True)
class Built:
    """The finished site.

    pages: number of pages, without dbt's docs.
    incomplete: why dbt's docs lack compiled SQL, or None.
    """

    pages: int
    incomplete: str | None


def build(folder: Path) -> Built:
    """Write the site into a folder, replacing the previous site there.

    Args:
        folder: the folder to write.

    Returns:
        What was written.

    Raises:
        NightbookError: there is no warehouse, the project is not valid, or the registry or a champion's artifact cannot
            be read. Or the folder holds something other than a site, or cannot be written.
    """
    if not warehouse.exists():
        raise NightbookError(f"{home.warehouse()} does not exist: land data first, or run `python orchestrate.py demo`")
    if folder.exists() and not _is_replaceable(folder):
        raise NightbookError(f"{folder} is not a documentation site: name a folder that is empty or does not exist")
    mlflow_store.check()
    scratch = f".{folder.name}.building-"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f"{scratch}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=scratch, dir=folder.parent) as place:
            return _build(Path(place), folder)
    except OSError as error:
        raise NightbookError(f"{folder}: {error.strerror}: name a folder that can be written") from error


def every_page(reading: Reading) -> Iterator[Page]:
    """The pages of each module of `pages`, in the order of the modules' ORDER."""
    modules = [import_module(f"{pages.__name__}.{found.name}") for found in pkgutil.iter_modules(pages.__path__)]
    for module in sorted(modules, key=lambda module: (module.ORDER, module.__name__)):
        yield from module.pages(reading)


def _build(place: Path, folder: Path) -> Built:
    made = place / "site"
    (made / "dbt").mkdir(parents=True)
    manifest, incomplete = dbt_docs.write(place / "target", made / "dbt" / "index.html")
    with warehouse.reading() as connection:
        found = list(every_page(Reading(connection, manifest)))
    rendering.write(found, made)
    # A temporary folder is private to its owner. The site is for everybody who may read the home.
    os.chmod(made, 0o755)
    if folder.exists():
        folder.rename(place / "before")
    made.rename(folder)
    return Built(len(found), incomplete)


def _is_replaceable(folder: Path) -> bool:
    return folder.is_dir() and (not any(folder.iterdir()) or all((folder / one).exists() for one in _OF_A_SITE))
