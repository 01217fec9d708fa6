"""Limits on an impact, from impact/limits.toml, and the exceptions accepted for this change."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from nightbook.errors import NightbookError

from impact.comparison import FIGURES

FILE = Path("impact/limits.toml")


@dataclass(frozen=True)
class Limit:
    """A figure and its limit on one book. `accepted`: why the figure may exceed it, empty without a reason."""

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


def read(base: Path, change: Path) -> tuple[dict[str, float], dict[str, str], list[str]]:
    """Read the limits, the accepted exceptions, and a line for each limit that the change moves.

    An exception counts only if the base does not contain it already.

    Args:
        base: the code of the base.
        change: the code of the change, whose limits count.

    Raises:
        NightbookError: the file is not valid, lacks a limit, sets an unknown one, or accepts an unknown one.
    """
    ours = _load(change)
    before = _load(base) if (base / FILE).exists() else {}
    theirs = before.get("accepted", {})
    # A missing number or a misspelt name would silently remove a limit.
    for name in sorted(set(ours["limits"]) ^ set(FIGURES)):
        said = f"lacks {name}" if name in FIGURES else f"has an unknown limit, {name}"
        raise NightbookError(f"{FILE}: [limits] {said}; the limits are {', '.join(FIGURES)}")
    unknown = sorted(set(ours.get("accepted", {})) - set(ours["limits"]))
    if unknown:
        raise NightbookError(f"{FILE}: [accepted] names {unknown[0]}, which is not a limit: name one of [limits]")
    moved = [
        f"limit {name}: {most:g} in the base, {ours['limits'][name]:g} in this change"
        for name, most in before.get("limits", {}).items()
        if ours["limits"].get(name, most) != most
    ]
    accepted = {name: why for name, why in ours.get("accepted", {}).items() if theirs.get(name) != why}
    return ours["limits"], accepted, moved


def hold(book: str, figures: dict[str, float], limits: dict[str, float], accepted: dict[str, str]) -> list[Limit]:
    """Each figure with its limit, in the order of the limits."""
    return [
        Limit(book, name, figures[name], most, accepted.get(name, ""))
        for name, most in limits.items()
        if name in figures
    ]


def _load(code: Path) -> dict:
    try:
        return {"limits": {}} | tomllib.loads((code / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NightbookError(
            f"{FILE} does not exist: restore it, because a change is checked against its limits"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise NightbookError(f"{FILE}: {error}") from error
