"""Which relation makes which feature, and where it is defined. Read from the SQL, and from the catalog for windows."""

import csv
import re
from pathlib import Path

from nightbook.catalog import windows

CATALOG = Path("seeds/reference/feature_catalog.csv")
_MODELS = Path("models/features")
_MACROS = (Path("macros/features"), Path("macros/populations"))
_MEASURES = Path("macros/features/month_measures.sql")


def relations(root: Path) -> list[str]:
    """The relations that make features, one per family."""
    return sorted(file.stem for file in (root / _MODELS).glob("*/*.sql"))


def places(relation: str, root: Path) -> dict[str, tuple[Path, int]]:
    """Name -> file and line, counted from one, where it is defined. A family's features are among the names.

    A windowed feature is defined by its row of the catalog, the first if several models read it.
    """
    found: dict[str, tuple[Path, int]] = {}
    if relation == windows.RELATION:
        with (root / CATALOG).open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream)
            for row in rows:
                if row["measure"]:
                    found.setdefault(row["name"], (CATALOG, rows.line_num))
        return found
    # The nearest file decides: the alias that a family gives to a macro's column is the feature.
    for file in reversed(files(relation, root)):
        for number, line in enumerate((root / file).read_text(encoding="utf-8").splitlines(), start=1):
            found |= dict.fromkeys(re.findall(r"\bas (\w+)", line), (file, number))
    return found


def files(relation: str, root: Path) -> list[Path]:
    """Files with a family's SQL: its model, then the macros that it calls, the nearest first."""
    made_in: dict[str, Path] = {}
    for folder in _MACROS:
        for file in sorted((root / folder).rglob("*.sql")):
            made_in |= dict.fromkeys(
                re.findall(r"\bmacro (?:default__)?(\w+)\(", file.read_text(encoding="utf-8")), file
            )
    found, waiting = [], list((root / _MODELS).rglob(f"{relation}.sql"))
    while waiting:
        if (file := waiting.pop(0)) not in found:
            found.append(file)
            called = re.findall(r"\b(\w+)\(", file.read_text(encoding="utf-8"))
            waiting += [made_in[name] for name in called if name in made_in]
    # The measures of a window are columns of the panel, so that no call leads to them.
    return [file.relative_to(root) for file in found] + ([_MEASURES] if relation == windows.RELATION else [])
