"""Texts that some medium would read as markup, a command, a formula, or nothing visible."""

from hypothesis import strategies as st

NAMED = (
    "[/risk]", "[bold]", "[link=https://evil.example]x[/link]", ":smile:", "\\", "\\'", "it's", '"',
    "'; drop table x; --", "\x1b[2J\x1b[31mred", "\x1b]8;;https://evil.example\x07here\x1b]8;;\x07", "\x9b31m",
    "a\rb", "a\nb", "a\x00b", "\x7f\b\b", "\u202egnp.exe", "\u2066x\u2069", "\u200b", "\ufeff", "a\u2028b\u2029c",
    "\ud800", "\U000e0041", "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<!--", "-->", "]]>",
    "<img src=x onerror=alert(1)>", "\" onmouseover=\"alert(1)", "{{ 1 + 1 }}", "{% raw %}", "&lt;", "&amp;",
    "javascript:alert(1)", "<!channel>", "<@U123>", "<https://evil.example|here>", "@channel", "@here x",
    "*bold* _it_ ~no~", "| a | b |", "`code`", "``", "# head", "- item", "1. one", "[x](https://evil.example)",
    "![x](https://evil.example/x.png)", "www.evil.example", "https://evil.example", "@octocat", "#1", "$x^2$",
    "$x^", "\\frac{1}", "=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"https://evil.example\")",
    "../../etc/passwd", "/etc/passwd", "a/b", "..", "--output=x", "-x", "", " ", "x" * 3000, "אבג", "ا\u200f1",
    "e\u0301", "名前",
)  # fmt: skip
_PIECES = st.one_of(
    st.sampled_from(NAMED), st.text(max_size=8), st.text("<>&\"'`[]{}()|\\/=+-@#$*_~:;!\r\n\t\x1b\x00 a", max_size=8)
)
# Half of the texts are a single named one, the others a chain of several pieces.
TEXTS = st.one_of(st.sampled_from(NAMED), st.lists(_PIECES, min_size=1, max_size=3).map("".join))
# Halves of surrogate pairs can come from file names and arguments. They reach neither a warehouse nor a registry.
STORED = TEXTS.map(lambda text: text.replace("\ud800", "")).filter(
    lambda text: text.isascii() or text.encode(errors="ignore").decode() == text
)
