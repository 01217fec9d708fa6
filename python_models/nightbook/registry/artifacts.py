"""Every file of a model's artifact under one digest, so that nothing in it is read that was not registered.

MLflow's clients do what the file MLmodel says, and import code where it says so. Nightbook itself reads the trees
alone, but what it approves is the folder that others load.
"""

import hashlib
import os
import re
import stat
from pathlib import Path

from nightbook.errors import NightbookError

# MLflow leaves it with whoever downloads a registered model: where the store is a folder, in the model's own.
_WRITTEN_BY_READERS = "registered_model_meta"
_ITS_CONTENT = re.compile(rb"model_name: [^\n]*\nmodel_version: [^\n]*\n")


def files(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, path (with /) -> content, in the order of the paths.

    Left out is the note that MLflow makes of who last downloaded the model, as long as it is one.

    Raises:
        NightbookError: there is a link, or anything else but folders and files, or a name that has no place in a list.
        OSError: something cannot be read.
    """
    found = {}
    for path in _walked(folder):
        name = path.relative_to(folder).as_posix()
        if not name.isprintable():
            raise NightbookError(f"{ascii(name)}: an artifact has no file of such a name")
        content = path.read_bytes()
        if name != _WRITTEN_BY_READERS or not _ITS_CONTENT.fullmatch(content):
            found[name] = content
    return dict(sorted(found.items()))


def digest_of(contents: dict[str, bytes]) -> str:
    """SHA-256 over a line per file, in the order of their paths, as sha256sum writes it: SHA-256, two blanks, path."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(contents.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest(folder: Path) -> str:
    """The digest of every file under a folder.

    Raises:
        NightbookError, OSError: as `files`.
    """
    return digest_of(files(folder))


def _walked(folder: Path) -> list[Path]:
    found = []
    for entry in os.scandir(folder):
        path, mode = Path(entry.path), entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            found += _walked(path)
        elif stat.S_ISREG(mode):
            found.append(path)
        else:
            kind = "a link" if stat.S_ISLNK(mode) else "neither a file nor a folder"
            raise NightbookError(f"{path.relative_to(path.parents[0])} is {kind}, and an artifact has files alone")
    return found
