"""What the account was asked, statement by statement, as it came: what a rehearsal can be held against afterwards."""

import json
from pathlib import Path

from fakesnow.cursor import FakeSnowflakeCursor


def write(path: Path) -> None:
    """Have every statement that fakesnow gets written down, one JSON text a line; once in a process."""
    execute = FakeSnowflakeCursor.execute
    seen: set[str] = set()

    def noted(self: FakeSnowflakeCursor, command: str, *arguments, **options):
        if command not in seen:
            seen.add(command)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(command) + "\n")
        return execute(self, command, *arguments, **options)

    FakeSnowflakeCursor.execute = noted


def read(path: Path) -> list[str]:
    """The statements of a transcript, each once, in the order in which they first came."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
