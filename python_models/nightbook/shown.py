"""Escape texts from data and from people for each medium: no markup, no command, no formula.

Everything that is shown goes through one of these functions: ids, names, reasons, messages, paths.
"""

import html as _html
import re

# A spreadsheet must not run a landed value as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
# Breaks a mention for receivers that read @name without markup around it.
_NO_WIDTH = "\u200b"
# Characters that start markup: anywhere, at the end of a word, at the start of a line, and in an address.
_MARKDOWN = re.compile(r"[\\`*\[\]|~$!]|(?<!\w)_|_(?!\w)|^[-+=]|(?<=^\d)[.)]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_REFERENCE = re.compile(r"[@#]")
_CODE = re.compile(r"[\w .,:;=/+()%-]+", re.ASCII)
_IN_SCRIPT = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def line(value: object) -> str:
    """For a terminal or a log: one line, with every invisible character written as Python escapes it.

    Invisible are control characters and the sequences that they start, line breaks, direction marks and characters
    without width. So are blanks other than the space, and halves of a surrogate pair.
    """
    text = str(value)
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def text(value: object) -> str:
    """As `line`, but line breaks and tabs stay. For text with a layout, not for a terminal."""
    return "".join(one if one in "\n\t" or one.isprintable() else _escaped(one) for one in str(value))


def html(value: object) -> str:
    """For HTML, between tags or in an attribute in quotes."""
    return _html.escape(text(value))


def in_script(json: str) -> str:
    """For JSON in a script element of an HTML page: the same values, and nothing that ends the element."""
    return json.translate(_IN_SCRIPT)


def slack(value: object) -> str:
    """For the text of a message in Slack's format: no link, no mention of a person or of a whole channel."""
    escaped = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub(f"@{_NO_WIDTH}", escaped)


def markdown(value: object) -> str:
    """For a paragraph, a list or a table cell in GitHub's Markdown: no markup, no HTML, no mention."""
    escaped = line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # GitHub looks for mentions and issue numbers after it has removed the markup.
    return _REFERENCE.sub(r"\g<0>&#8203;", _MARKDOWN.sub(r"\\\g<0>", escaped))


def code(value: object) -> str:
    """For a name in Markdown: as code, if nothing in it could end the code."""
    return f"`{value}`" if _CODE.fullmatch(str(value)) else markdown(value)


def cell(value: object) -> str:
    """For a cell of a CSV file that a spreadsheet may open: a quote before text that starts like a formula."""
    shown = text(value)
    return f"'{shown}" if str(value).startswith(_FORMULA) else shown


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
