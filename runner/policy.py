"""Policies on who may do what. They come from the checkout's policy seed, and no landed row can replace them."""

import csv
from pathlib import Path

from nightbook.errors import NightbookError

FILE = Path("seeds/reference/policy.csv")
ONE_ACCOUNT = "one_account_trains_and_approves"


def one_account_trains_and_approves() -> bool:
    """Whether the actor that trained a version may type its approval, which somebody else has given.

    This is read from the reviewed file. The warehouse is no source, because a lender's landed rows can replace its
    policies. A file without the row means no.

    Raises:
        NightbookError: the file cannot be read, or its value is neither true nor false.
    """
    try:
        with FILE.open(newline="", encoding="utf-8") as file:
            values = [row["value"] for row in csv.DictReader(file) if row["name"] == ONE_ACCOUNT]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise NightbookError(f"{FILE} cannot be read ({type(error).__name__}): restore it") from error
    if len(values) > 1 or any(value not in ("true", "false") for value in values):
        raise NightbookError(
            f"{FILE}: {ONE_ACCOUNT} is {' and '.join(map(str, values))}: write one row with true or false"
        )
    return values == ["true"]
