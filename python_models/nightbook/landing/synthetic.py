"""Land a synthetic lender of any size."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from nightbook.errors import NightbookError
from nightbook.landing import loads, store
from nightbook.landing.lender import Block

BLOCK_ACCOUNTS = 40_000
MOST_MONTHS = 240
MOST_ACCOUNTS = 20_000_000


def land_synthetic(
    accounts: int,
    months: int = 36,
    seed: int = 1,
    applications: int = 200,
    threads: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> store.Load:
    """Land a synthetic lender whose last snapshot is 2026-06-30.

    The same four numbers give the same bytes on any number of threads.

    Args:
        accounts: accounts ever on the book, closed ones included.
        months: month-end snapshots.
        seed: another seed gives another lender.
        applications: undecided applications of the last day.
        threads: blocks in progress at a time, each about 600 MB; every core if None.
        on_progress: called with the accounts done and the accounts in all.

    Raises:
        NightbookError: a number is out of range, or the home holds another load.
    """
    for name, value, least, most in (
        ("accounts", accounts, 1, MOST_ACCOUNTS),
        ("months", months, 1, MOST_MONTHS),
        ("seed", seed, 0, 2**63),
        ("applications", applications, 0, MOST_ACCOUNTS),
    ):
        if not least <= value <= most:
            raise NightbookError(f"{name} is {value:,}: give a number from {least:,} to {most:,}")
    load_id = f"synthetic-a{accounts}-m{months}-k{applications}-s{seed}"
    if loads.stands(load_id):
        return loads.describe(load_id, (loads.STANDS,))
    with loads.incoming(load_id, alone=True) as folder, ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        blocks = plan(accounts, months, seed, applications, load_id)
        done, running = 0, [pool.submit(_write, folder, block) for block in blocks]
        try:
            for finished in as_completed(running):
                done += finished.result()
                if on_progress:
                    on_progress(done, accounts)
        finally:
            pool.shutdown(cancel_futures=True)
    return loads.describe(load_id)


def plan(accounts: int, months: int, seed: int, applications: int, load_id: str) -> list[Block]:
    """The blocks of a lender. They depend only on its numbers, not on how many run at a time."""
    count = -(-accounts // BLOCK_ACCOUNTS)
    edge = [accounts * b // count for b in range(count + 1)]
    asked = [applications * b // count for b in range(count + 1)]
    widest = max(edge[b + 1] - edge[b] for b in range(count))
    stride = 2 * widest + max(asked[b + 1] - asked[b] for b in range(count))
    return [
        Block(b, seed, months, edge[b], edge[b + 1] - edge[b], asked[b + 1] - asked[b], stride, load_id)
        for b in range(count)
    ]


def _write(folder: Path, block: Block) -> int:
    for table, rows in block.tables().items():
        store.write(folder, table, rows, part=block.index)
    return block.accounts
