"""`python -m impact --base REF`: build both sides and write the report. Ends with status 1 if a limit blocks."""

import argparse
import os
import sys
from pathlib import Path

from nightbook import shown
from nightbook.errors import NightbookError

from impact import comparison, limits, report, sides


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="impact", description="How the working tree changes scores, compared with a base."
    )
    parser.add_argument("--base", required=True, metavar="REF", help="commit to compare with, for example origin/main")
    # With far fewer accounts, the gate finds too few defaults among applications to register a model.
    parser.add_argument(
        "--accounts", type=int, default=40_000, metavar="N", help="accounts of the synthetic lender (40000)"
    )
    parser.add_argument("--quick", action="store_true", help="do not train the change; gives no gate figures")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".nightbook-impact"),
        metavar="DIR",
        help="folder in which both sides are built",
    )
    given = parser.parse_args()
    try:
        text, blocking = run(given.base, given.accounts, given.folder.absolute(), given.quick)
    except NightbookError as error:
        print(shown.line(f"nightbook: {error}"), file=sys.stderr)
        return 1
    print(text)
    if blocking:
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        remedy = "fix the change, or give a reason in impact/limits.toml, [accepted]"
        print(shown.line(f"nightbook: impact: {blocking[0]}{more}; {remedy}"), file=sys.stderr)
        return 1
    return 0


def run(reference: str, accounts: int, folder: Path, is_quick: bool = False) -> tuple[str, list[limits.Limit]]:
    """Build both sides and compare.

    Returns:
        The report, which is also written to `report.md` in the folder, and the limits that block.
    """
    os.chdir(Path(__file__).resolve().parents[1])
    folder.mkdir(parents=True, exist_ok=True)
    # A failed run must leave no report, least of all an old one.
    (folder / "report.md").unlink(missing_ok=True)
    trees = {"base": sides.tree_of(reference), "change": sides.tree_of_checkout(folder)}
    code = {name: sides.lay_out(folder, name, tree) for name, tree in trees.items()}
    keys = {name: sides.key_of(tree) for name, tree in trees.items()}
    most, accepted, notes = limits.read(code["base"], code["change"])
    if sides.libraries_differ(trees):
        notes.append(
            "requirements.txt differs: both sides ran with the libraries installed here, so the effect of other"
            " libraries on scores is not in this report"
        )
    if keys["base"] == keys["change"]:
        text = "# Score impact\n\n**No impact on any score.** No file that decides a score differs.\n"
        (folder / "report.md").write_text(text, encoding="utf-8")
        return text, []
    lost = sides.lost_inputs(code["base"], code["change"])
    base = sides.base(folder, code["base"], keys["base"], accounts)
    change = sides.change(folder, code["change"], keys["change"], accounts, base, is_shared=not lost, is_quick=is_quick)
    books = {
        book: comparison.compare(comparison.read(base.homes[book]), comparison.read(change.homes[book]))
        for book in base.homes
    }
    if not (base.is_new and change.is_new):
        # Times that were measured on another day are shown, but no limit applies to them.
        most.pop("run_time", None)
    held = [one for book, impact in books.items() for one in limits.hold(book, impact.figures(), most, accepted)]
    text = report.markdown(books, held, _how(lost), notes)
    (folder / "report.md").write_text(text, encoding="utf-8")
    return text, [one for one in held if one.blocks]


def _how(lost: list[tuple[str, str]]) -> str:
    if not lost:
        return "The base's champions score both sides, so every difference comes from the change."
    names = ", ".join(f"`{name}`" for _, name in lost)
    return (
        f"The change has no {names}, which the base's champion reads: each side is scored by its own"
        " models, trained on the same rows with the same seed."
    )


if __name__ == "__main__":
    sys.exit(main())
