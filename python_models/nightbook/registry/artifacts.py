"""One digest over every file of a model's artifact, so that no unregistered file is ever used.

MLflow's clients follow the file MLmodel and import code that it names. Nightbook itself reads only the trees, but it
approves the whole folder, which others load.
"""

import hashlib
import os
import re
import stat
from pathlib import Path

from nightbook.errors import NightbookError

# MLflow writes this note when somebody downloads a registered model. If the store is a folder, the note lands in the
# model's own folder.
_WRITTEN_BY_READERS = "registered_model_meta"
_ITS_CONTENT = re.compile(rb"model_name: [^\n]*\nmodel_version: [^\n]*\n")


def files(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, path (with /) -> content, in the order of the paths.

    MLflow's note about the last download is left out, if its content is that of such a note.

    Raises:
        NightbookError: there is a link or another special file, or a file name that is not printable.
        OSError: something cannot be read.
    """
    found = {}
    for path in _walked(folder):
        name = path.relative_to(folder).as_posix()
        if not name.isprintable():
            raise NightbookError(f"{ascii(name)}: an artifact must not have a file with this name")
        content = path.read_bytes()
        if name != _WRITTEN_BY_READERS or not _ITS_CONTENT.fullmatch(content):
            found[name] = content
    return dict(sorted(found.items()))


def digest_of(contents: dict[str, bytes]) -> str:
    """SHA-256 over one line per file in the order of paths, as sha256sum writes it: SHA-256, two blanks, path."""
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
            raise NightbookError(f"{path.relative_to(path.parents[0])} is {kind}, but an artifact may have only files")
    return found
