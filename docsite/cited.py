"""A value with its source. A page shows the value and names the source, so that a reader or a test can check it."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from numbers import Number
from typing import Any

from markupsafe import Markup, escape
from nightbook import shown

_FORMS = {"rate": "{:.2%}", "figure": "{:.3f}", "fine": "{:.4f}", "count": "{:,}", "money": "{:,.2f}"}
_WHOLE_FROM = 1000


@dataclass(frozen=True)
class Cited:
    """A value, its form, and its source.

    value: number, text, date or None.
    source: the SQL that returns it, a path in the registry (mlflow:/...), or how the site computed it.
    form: rate (0.0123 as 1.23%), figure (three places), fine (four), count, money, any (whole, or four places), text.
    """

    value: object
    source: str
    form: str = "text"

    def shown_as(self, form: str) -> "Cited":
        """The same value in another form."""
        return replace(self, form=form)

    def __str__(self) -> str:
        if self.value is None:
            return ""
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if self.form in _FORMS and isinstance(self.value, Number):
            return _FORMS[self.form].format(self.value)
        if self.form == "any" and isinstance(self.value, Number):
            number: Any = self.value
            is_whole = float(number).is_integer() or abs(number) >= _WHOLE_FROM
            return f"{self.value:,.0f}" if is_whole else f"{self.value:.4f}"
        if isinstance(self.value, float):
            return f"{self.value:g}"
        if isinstance(self.value, Decimal):
            return f"{self.value.normalize():f}"
        return plain(self.value)

    def __html__(self) -> Markup:
        if self.value is None:
            return Markup("")
        return Markup('<data value="{}" title="{}">{}</data>').format(
            shown.text(plain(self.value)), shown.text(self.source), broken(str(self))
        )


def broken(text: str) -> Markup:
    """Escape a text, and let a narrow column break it after an underscore."""
    return Markup(str(escape(shown.text(text))).replace("_", "_<wbr>"))


def plain(value: object) -> str:
    """A value as text without loss: every digit of a number, dates and times in ISO format."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | str) else repr(value)
