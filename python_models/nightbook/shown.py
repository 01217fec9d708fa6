"""Texts from data and from people, written so that each medium shows them as text: no markup, no command, no formula.

Whatever is shown goes through one of these: ids, names, reasons, messages, paths.
"""

import html as _html
import re

# Whoever reads a spreadsheet into a program that computes must not run what somebody has landed.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
# Breaks a mention where a receiver reads @name without any markup around it.
_NO_WIDTH = "\u200b"
# What begins markup anywhere, what does at an end of a word, at the beginning of a line, and in an address.
_MARKDOWN = re.compile(r"[\\`*\[\]|~$!]|(?<!\w)_|_(?!\w)|^[-+=]|(?<=^\d)[.)]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_REFERENCE = re.compile(r"[@#]")
_CODE = re.compile(r"[\w .,:;=/+()%-]+", re.ASCII)
_IN_SCRIPT = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def line(value: object) -> str:
    """For a terminal or a log: one line in which everything that would not be seen is written as Python escapes it.

    That is control characters and what they begin, such as the sequences that move a cursor, line breaks, marks that
    turn the direction of writing, characters without width, blanks that are no space, halves of a surrogate pair.
    """
    text = str(value)
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def text(value: object) -> str:
    """As `line`, line breaks and tabs left as they are: for what is laid out, and is no terminal."""
    return "".join(one if one in "\n\t" or one.isprintable() else _escaped(one) for one in str(value))


def html(value: object) -> str:
    """For HTML, between tags or in an attribute in quotes."""
    return _html.escape(text(value))


def in_script(json: str) -> str:
    """JSON for a script element of an HTML page: the same values, and nothing that ends the element."""
    return json.translate(_IN_SCRIPT)


def slack(value: object) -> str:
    """For the text of a message in Slack's format: no link, no mention of a person or of a whole channel."""
    escaped = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub(f"@{_NO_WIDTH}", escaped)


def markdown(value: object) -> str:
    """For a paragraph, a list or a table's cell in Markdown as GitHub reads it: no markup, no HTML, no mention."""
    escaped = line(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # GitHub looks for names and numbers of issues once the markup is gone.
    return _REFERENCE.sub(r"\g<0>&#8203;", _MARKDOWN.sub(r"\\\g<0>", escaped))


def code(value: object) -> str:
    """A name for Markdown, as code where it holds nothing that could end the code."""
    return f"`{value}`" if _CODE.fullmatch(str(value)) else markdown(value)


def cell(value: object) -> str:
    """For a cell of a CSV file that a spreadsheet may open: a quote before text that begins as a formula does."""
    shown = text(value)
    return f"'{shown}" if str(value).startswith(_FORMULA) else shown


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()
