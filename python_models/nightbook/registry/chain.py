"""The audit log as a hash chain: each entry holds the hash of the one before it, so that changes show."""

import hashlib
from collections.abc import Sequence

from nightbook.errors import NightbookError


def entry_hash(previous_hash: str, entry: dict) -> str:
    """SHA-256 of an entry and the hash before it. The macro entry_hash computes the same in SQL."""
    recorded_at = f"{entry['recorded_at']:%Y-%m-%d %H:%M:%S}"
    lines = [previous_hash, str(entry["sequence"]), entry["kind"], entry["subject"], recorded_at]
    lines += [entry["run_id"], entry["payload"]]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check(entries: Sequence[dict], head: str | None = None) -> str:
    """Compute every hash again and compare.

    Args:
        entries: rows of audit_chain, in order.
        head: hash of an entry that was noted elsewhere; the log must still hold it.

    Returns:
        The hash of the last entry, which covers all entries; empty for an empty log. Whoever can write the whole log
        can also replace it. A signature over this hash, with a key out of their reach, would have to be checked here.

    Raises:
        NightbookError: names the first entry that is not as it was written.
    """
    previous = ""
    named: dict[tuple[str, str], int] = {}
    for number, entry in enumerate(entries, start=1):
        name = f"audit log, entry {entry['sequence']} ({entry['kind']} {entry['subject']})"
        if entry["sequence"] != number:
            raise NightbookError(f"{name}: expected entry {number} here: an entry was removed, inserted or moved")
        if entry["previous_hash"] != previous:
            raise NightbookError(f"{name}: does not follow the entry before it: one of the two was replaced or moved")
        if any(entry[column] is None for column in entry) or entry_hash(previous, entry) != entry["entry_hash"]:
            raise NightbookError(f"{name}: was changed after it was written: its hash does not match")
        key = (entry["kind"], entry["subject"])
        if key in named:
            raise NightbookError(f"{name}: was already entered, as entry {named[key]}: a fact is entered only once")
        previous, named[key] = entry["entry_hash"], number
    if head and head not in (entry["entry_hash"] for entry in entries):
        raise NightbookError(
            f"audit log: has no entry with the hash {head}: the log was cut short or rewritten after you noted it"
        )
    return previous
