"""What somebody has given in words: refused in one line, before anything happens, where it cannot be shown again."""

from nightbook import shown
from nightbook.errors import NightbookError

# A tag of MLflow's holds five thousand characters.
LONGEST = 500


def line(text: str, option: str) -> str:
    """A text that is recorded, and shown to whoever asks later.

    Args:
        option: where it was given, for the refusal.

    Returns:
        The text without blanks around it.

    Raises:
        NightbookError: it holds a control character, a line break or another that would not be seen, or is too long.
    """
    text = text.strip()
    if shown.line(text) != text:
        raise NightbookError(f"{option} is '{shown.line(text)}': write it in one line, without control characters")
    if len(text) > LONGEST:
        raise NightbookError(f"{option} has {len(text):,} characters: write {LONGEST} at most")
    return text
