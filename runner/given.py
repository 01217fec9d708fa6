"""Check texts that a user gives on the command line. A text that could not be shown later is refused at once."""

from nightbook import shown
from nightbook.errors import NightbookError

# A tag in MLflow holds 5,000 characters.
LONGEST = 500


def line(text: str, option: str) -> str:
    """Check a text that will be recorded and shown later.

    Args:
        text: the text as given.
        option: the option's name, for the error message.

    Returns:
        The text without blanks around it.

    Raises:
        NightbookError: the text is too long, or holds a line break, a control character or another invisible character.
    """
    text = text.strip()
    if shown.line(text) != text:
        raise NightbookError(f"{option} is '{shown.line(text)}': write it in one line, without control characters")
    if len(text) > LONGEST:
        raise NightbookError(f"{option} has {len(text):,} characters: write at most {LONGEST}")
    return text
