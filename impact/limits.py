"""Limits on an impact: impact/limits.toml, and what this change alone is allowed to exceed."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from nightbook.errors import NightbookError

FILE = Path("impact/limits.toml")


@dataclass(frozen=True)
class Limit:
    """A figure held against its limit, on one book; accepted: why it may exceed it, empty where nobody said so."""

    book: str
    name: str
    found: float
    most: float
    accepted: str = ""

    @property
    def is_exceeded(self) -> bool:
        return self.found > self.most

    @property
    def blocks(self) -> bool:
        return self.is_exceeded and not self.accepted

    def __str__(self) -> str:
        return f"{self.name} on the {self.book} is {self.found:.4g}, at most {self.most:.4g}"


def read(base: Path, change: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Limits, and what the change is accepted to exceed: entries that its base does not have.

    Args:
        base: the code of the base.
        change: the code of the change, whose limits count.

    Raises:
        NightbookError: the file is not valid, or accepts what is no limit.
    """
    ours = _load(change)
    theirs = _load(base).get("accepted", {}) if (base / FILE).exists() else {}
    unknown = sorted(set(ours.get("accepted", {})) - set(ours["limits"]))
    if unknown:
        raise NightbookError(f"{FILE}: [accepted] names {unknown[0]}, which is no limit: name one of [limits]")
    return ours["limits"], {name: why for name, why in ours.get("accepted", {}).items() if theirs.get(name) != why}


def hold(book: str, figures: dict[str, float], limits: dict[str, float], accepted: dict[str, str]) -> list[Limit]:
    """Each figure against its limit, in the order of the limits."""
    return [
        Limit(book, name, figures[name], most, accepted.get(name, ""))
        for name, most in limits.items()
        if name in figures
    ]


def _load(code: Path) -> dict:
    try:
        return tomllib.loads((code / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NightbookError(f"{FILE} is not there: without limits nothing can be held") from error
    except tomllib.TOMLDecodeError as error:
        raise NightbookError(f"{FILE}: {error}") from error
