"""Pictures as SVG. The same figures give the same bytes, and the colours suit colour-blind readers and print."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nightbook import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

# Okabe and Ito's palette. Its first colours also differ in lightness.
BLUE, ORANGE, GREEN, SKY, PURPLE, BLACK = "#0072b2", "#d55e00", "#009e73", "#56b4e9", "#cc79a7", "#222222"
# A longer label would leave no room for the plot.
_LABEL = 60
# Style of a page with figures and tables, wherever it is opened.
STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
.tree, .tree ul { list-style: none; padding-left: 1.2rem; border-left: 1px solid #bbb; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; overflow-wrap: break-word; }
tr { border-bottom: 1px solid #ddd; }
summary { cursor: pointer; }
svg { max-width: 100%; height: auto; }
"""
_SETTINGS: "dict[RcKeyType, Any]" = {
    "svg.hashsalt": "nightbook",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    # Names of products or states may contain a dollar sign.
    "text.parse_math": False,
}


class Picture:
    """A figure while it is drawn, and its SVG element once it is done."""

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def drawn(width: float, height: float) -> Iterator[Picture]:
    """A figure to draw on, in inches. `svg` is set when the block ends."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS), _plain_labels():
        picture = Picture(Figure(figsize=(width, height), layout="constrained"))
        yield picture
        written = io.StringIO()
        # Leaves out when and by which release it was drawn.
        picture.figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    picture.svg = written.getvalue()[written.getvalue().index("<svg") :]


@contextmanager
def _plain_labels() -> Iterator[None]:
    """Make every text in a picture safe to show. Axis labels are known only when it is drawn."""
    from matplotlib.text import Text

    # mypy does not allow a method to be replaced.
    every_text: Any = Text
    as_given = Text.set_text
    every_text.set_text = lambda artist, text: as_given(artist, None if text is None else _label(text))
    try:
        with warnings.catch_warnings():
            # These warnings do not matter. The browser has letters that matplotlib's font lacks. A picture without room
            # or legend is drawn all the same.
            for warning in ("Glyph .* missing from font", "constrained_layout not applied", "No artists with labels"):
                warnings.filterwarnings("ignore", warning)
            yield
    finally:
        every_text.set_text = as_given


def _label(text: object) -> str:
    label = shown.line(text)
    return label if len(label) <= _LABEL else label[: _LABEL - 3] + "..."
