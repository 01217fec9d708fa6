"""Copy a lender's files before anything else. Only the copies are checked and landed.

So a later change to a file cannot affect what was checked. Only regular files are accepted: a pipe could block the
reader, and a link could lead to a file that was never meant to be landed.
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from nightbook import shown
from nightbook.errors import NightbookError

SUMS = "SHA256SUMS"
MOST_SUMS = 16 * 2**20
_CHUNK = 2**20
_SUM = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")


@dataclass(frozen=True)
class Taken:
    """A copy of a lender's file.

    Attributes:
        name: the lender's name for it, relative to the folder.
        path: the copy, under a name of ours.
        sha256: of its bytes, in hexadecimal.
        is_listed: whether the lender's SHA256SUMS lists the same digest.
    """

    name: str
    path: Path
    sha256: str
    is_listed: bool = False


def check_name(name: str, where: str = "") -> None:
    """Refuse a name with characters that cannot be shown.

    Raises:
        NightbookError: it has some.
    """
    if not name.isprintable():
        raise NightbookError(f"{where}{shown.line(name)!r} has an invisible character in its name: rename it")


def kind(path: Path, name: str) -> str:
    """Return `file` or `folder`, the two kinds that can be landed.

    Raises:
        NightbookError: it is a link, a pipe, a socket or a device.
    """
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise _refused(name, mode)
    return "file"


def copy(path: Path, name: str, target: Path) -> Taken:
    """Copy a regular file and compute its SHA-256.

    Args:
        path: the lender's file.
        name: the lender's name for it.
        target: the path of the copy.

    Raises:
        NightbookError: it is not a regular file, or it changed while it was copied.
        OSError: it cannot be read, or the disk refuses the copy.
    """
    kind(path, name)
    # The file may have become a pipe or a link meanwhile: do not wait for a writer, do not follow the link.
    source = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    digest = hashlib.sha256()
    with open(source, "rb", buffering=0) as stream, target.open("wb") as out:
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            raise _refused(name, before.st_mode)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
        after = os.fstat(source)
        size = out.tell()
    if size != before.st_size or _stamp(before) != _stamp(after):
        raise NightbookError(f"{name} changed while it was read: land it again when it is complete")
    return Taken(name, target, digest.hexdigest())


def sums(directory: Path, folder: Path) -> dict[str, str]:
    """Read a SHA256SUMS beside the files, as `sha256sum` writes it. Returns file -> digest, empty if there is none.

    Raises:
        NightbookError: it is not such a file.
    """
    path = directory / SUMS
    if not os.path.lexists(path):
        return {}
    copied = copy(path, SUMS, folder / SUMS)
    if copied.path.stat().st_size > MOST_SUMS:
        raise NightbookError(f"{SUMS} is larger than {MOST_SUMS // 2**20} MB: it should have one line per file")
    listed: dict[str, str] = {}
    try:
        lines = copied.path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise NightbookError(f"{SUMS} is not UTF-8 text: write it with sha256sum") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _SUM.fullmatch(line)
        if not found:
            raise NightbookError(f"{SUMS} line {number} is not a digest and a file name: write it with sha256sum")
        if listed.setdefault(found[2], found[1].lower()) != found[1].lower():
            raise NightbookError(f"{SUMS} line {number}: {shown.line(found[2])} is already listed with another digest")
    if not listed:
        raise NightbookError(f"{SUMS} lists no file: write it with sha256sum, or remove it")
    return listed


def check_sums(taken: list[Taken], listed: dict[str, str]) -> list[Taken]:
    """Compare copies with the lender's list, which must list each of them and no other.

    Raises:
        NightbookError: a file has another digest, is not listed, or is missing.
    """
    if not listed:
        return taken
    for one in taken:
        if one.name not in listed:
            raise NightbookError(f"{one.name} is not in {SUMS}, which must list every file: list it, or remove it")
        if one.sha256 != listed[one.name]:
            raise NightbookError(f"{one.name} does not have the digest in {SUMS}: ask for a new copy")
    for name in sorted(listed.keys() - {one.name for one in taken}):
        raise NightbookError(f"{shown.line(name)} is in {SUMS} but not in the folder: ask for a new copy")
    return [Taken(one.name, one.path, one.sha256, True) for one in taken]


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _refused(name: str, mode: int) -> NightbookError:
    called = {
        stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    }  # fmt: skip
    what = called.get(stat.S_IFMT(mode), "not a regular file")
    return NightbookError(f"{name} is {what}: put the file itself there")
