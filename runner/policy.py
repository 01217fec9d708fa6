"""What the checkout itself says of who may do what: rows of the policy seed that no landing can replace."""

import csv
from pathlib import Path

from nightbook.errors import NightbookError

FILE = Path("seeds/reference/policy.csv")
ONE_ACCOUNT = "one_account_trains_and_approves"


def one_account_trains_and_approves() -> bool:
    """Whether the account that trained a version may type its approval, which somebody else has given.

    Read from the file, which is reviewed, and not from the warehouse, where a lender's landing replaces rows of it. A
    file without the row says no.

    Raises:
        NightbookError: the file cannot be read, or says neither true nor false.
    """
    try:
        with FILE.open(newline="", encoding="utf-8") as file:
            values = [row["value"] for row in csv.DictReader(file) if row["name"] == ONE_ACCOUNT]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise NightbookError(f"{FILE} cannot be read ({type(error).__name__}): restore it") from error
    if len(values) > 1 or any(value not in ("true", "false") for value in values):
        raise NightbookError(f"{FILE}: {ONE_ACCOUNT} is {' and '.join(map(str, values))}: write one row, true or false")
    return values == ["true"]
