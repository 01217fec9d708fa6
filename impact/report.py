"""An impact as Markdown, for a job's summary or a terminal."""

from collections.abc import Sequence

from nightbook.shown import code
from nightbook.shown import markdown as plain

from impact.comparison import Feature, Impact, Scores
from impact.limits import Limit


def markdown(books: dict[str, Impact], limits: list[Limit], how: str, notes: Sequence[str] = ()) -> str:
    """The report: a verdict, one line per change, then the figures.

    Args:
        books: what was found on each book.
        limits: every limit with its figure, on every book.
        how: which models scored the two sides, in a sentence.
        notes: what else a reviewer must know, a line each.
    """
    parts = ["# Score impact", _verdict(books, limits, notes), how]
    for book, impact in books.items():
        parts += [f"## On the {plain(book)}", _lines(impact)]
        if any(one.change == "changed" for one in impact.features):
            parts += ["### Features", _features(impact.features)]
        if any(one.differing or one.on_one_side for one in impact.scores):
            parts += ["### Scores", _scores(impact.scores)]
            parts += [_moves(one) for one in impact.scores if one.moves]
        if impact.measured:
            parts += ["### Gate, each side trained on the same rows", _measured(impact)]
        if impact.seconds:
            parts += ["### Run time", _seconds(impact)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(books: dict[str, Impact], limits: list[Limit], notes: Sequence[str]) -> str:
    blocking = [one for one in limits if one.blocks]
    accepted = [one for one in limits if one.is_exceeded and one.accepted]
    if blocking:
        head = "**Blocked.** " + "; ".join(plain(one) for one in blocking) + "."
    elif accepted:
        head = "**Within limits, except for what is accepted.**"
    elif all(impact.is_none for impact in books.values()):
        head = "**No impact on any score" + (" that this report covers.**" if notes else ".**")
    else:
        head = "**Within limits.**"
    lines = [*map(plain, notes), *(f"accepted: {plain(one)} ({plain(one.accepted)})" for one in accepted)]
    return head + "".join(f"\n- {line}" for line in lines)


def _lines(impact: Impact) -> str:
    lines = [_line(one) for one in impact.features]
    for one in impact.scores:
        if one.differing or one.on_one_side:
            lines.append(
                f"{plain(one.model_name)}: {one.differing:,} of {one.cases:,} scores differ, {one.regraded:,} change"
                f" grade, PSI {one.psi:.4f}" + (f"; {one.on_one_side:,} on one side only" if one.on_one_side else "")
            )
    before, after = impact.loss
    if before != after:
        lines.append(f"provisions: {before:,.2f} to {after:,.2f} ({_relative(before, after)})")
    if impact.restaged:
        lines.append(f"{impact.restaged:,} accounts change IFRS 9 stage")
    if impact.rebanded:
        lines.append(f"{impact.rebanded:,} of {impact.queued:,} applications change triage band, appear or disappear")
    if impact.rereasoned:
        lines.append(f"{impact.rereasoned:,} applications have other reasons")
    lines += [
        f"gate: {plain(row['model_name'])} fails {plain(row['rule'])}: {plain(row['reason'])}"
        for row in impact.verdicts
    ]
    return "\n".join(f"- {line}" for line in lines) or "Every feature, score, grade and provision is unchanged."


def _line(one: Feature) -> str:
    what = "model input" if one.is_input else "feature"
    model, name = plain(one.model_name), code(one.name)
    if one.change == "renamed":
        return f"{model}: {what} {code(one.was)} is now called {name}, with the same values"
    if one.change == "changed":
        return f"{model}: {what} {name} differs for {one.differing:,} of {one.cases:,} cases"
    if one.change == "left_out":
        return f"{model}: {name} is no longer a model input"
    if one.change == "redeclared":
        return f"{model}: {what} {name} has another declaration; it was {plain(one.was)}"
    return f"{model}: {what} {name} {one.change}"


def _features(features: list[Feature]) -> str:
    rows = [
        (plain(one.model_name), code(one.name), f"{one.differing:,}", _number(one.mean_base), _number(one.mean_change),
         _number(one.psi))
        for one in features
        if one.change == "changed"
    ]  # fmt: skip
    return _table(("model", "feature", "cases that differ", "mean, base", "mean, change", "PSI"), rows)


def _scores(scores: list[Scores]) -> str:
    rows = [
        (plain(one.model_name), f"{one.cases:,}", f"{one.differing:,}", f"{one.regraded:,}", f"{one.mean_base:.4%}",
         f"{one.mean_change:.4%}", f"{one.psi:.4f}")
        for one in scores
    ]  # fmt: skip
    return _table(("model", "cases", "differ", "change grade", "mean PD, base", "mean PD, change", "PSI"), rows)


def _moves(one: Scores) -> str:
    grades = sorted({grade for move in one.moves for grade in move})
    rows = [
        (
            plain(f"{one.model_name} {old}"),
            *(f"{one.moves.get((old, new), 0):,}" if old != new else "." for new in grades),
        )
        for old in grades
    ]
    return _table(("from / to", *map(plain, grades)), rows)


def _measured(impact: Impact) -> str:
    rows = [
        (plain(row["model_name"]), plain(row["metric"]), f"{row['base']:.4f} ({row['low']:.4f} to {row['high']:.4f})",
         *(("none", "") if row["change"] is None else (f"{row['change']:.4f}", f"{row['change'] - row['base']:+.4f}")))
        for row in impact.measured
    ]  # fmt: skip
    return _table(("model", "metric", "base, 95 % interval", "change", "difference"), rows)


def _seconds(impact: Impact) -> str:
    rows = [(plain(cadence), f"{base:.0f} s", f"{change:.0f} s") for cadence, (base, change) in impact.seconds.items()]
    return _table(("run", "base", "change"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _relative(before: float, after: float) -> str:
    return f"{after / before - 1:+.3%}" if before else "from 0"
