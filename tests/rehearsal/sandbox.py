"""The sandbox in which Snowflake runs Python: the standard library, declared packages, staged files, nothing else."""

import hashlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

INSIDE = Path(__file__).with_name("inside.py")
_making = threading.Lock()
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)$")


class Refused(Exception):
    """What Snowflake refuses before it runs anything."""


@dataclass(frozen=True)
class Room:
    """The surroundings of one handler.

    site: folder of the declared packages.
    imports: staged files, on the path in their order.
    work: an empty folder for this handler.
    may_call_out: whether an external access integration is named.
    """

    site: Path
    imports: tuple[Path, ...]
    work: Path
    may_call_out: bool

    def start(self, task: dict, hosts: Iterable[str]) -> subprocess.Popen:
        """Run inside.py in this sandbox. It reads the task from a file, and messages from its standard input."""
        self.work.mkdir(parents=True)
        described = {
            "path": [str(self.site), *map(str, self.imports)],
            "imports": str(self.work / "imports"),
            "hosts": None if self.may_call_out else list(hosts),
            **task,
        }
        (self.work / "imports").mkdir()
        for file in self.imports:
            (self.work / "imports" / file.name).symlink_to(file)
        (self.work / "task.json").write_text(json.dumps(described))
        (self.work / "_udf_code.py").write_text(task["body"])
        return subprocess.Popen(
            # Isolated and without site, so that neither the environment nor the installed packages leak in.
            [sys.executable, "-I", "-S", str(INSIDE), str(self.work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=self.work,
            env={"TMPDIR": str(self.work), "MPLCONFIGDIR": str(self.work)},
        )


def check_runtime(version: str) -> None:
    """Refuse a RUNTIME_VERSION other than this interpreter's, because the rehearsal must run what would run."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != here:
        raise Refused(f"RUNTIME_VERSION is {version}, the rehearsal runs Python {here}")


def site_of(packages: Iterable[str], folder: Path) -> Path:
    """A folder with the closure of pinned packages, as links to where they are installed. It is made once.

    Raises:
        Refused: a package is not pinned, not installed, or installed in another version.
    """
    with _making:
        return _site_of(sorted(packages), folder)


def _site_of(pinned: list[str], folder: Path) -> Path:
    site = folder / hashlib.sha256("\n".join(pinned).encode()).hexdigest()[:16]
    if site.exists():
        return site
    wanted = []
    for package in pinned:
        match = _PINNED.match(package)
        if match is None:
            raise Refused(f"package '{package}' is not pinned: write NAME==VERSION")
        name, version = match.groups()
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise Refused(f"Packages not found: - {package}") from None
        if there != version:
            raise Refused(f"Packages not found: - {package} (there is {name}=={there})")
        wanted.append(Requirement(name))
    part = site.with_suffix(".part")
    for distribution in _closure(wanted):
        for file in distribution.files or ():
            if ".." not in file.parts and file.suffix != ".pth":
                link = part / file
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.exists():
                    link.symlink_to(distribution.locate_file(file))
    part.rename(site)
    return site


def _closure(wanted: list[Requirement]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    seen, waiting = set(), [(requirement.name, frozenset(requirement.extras)) for requirement in wanted]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # required on another platform, or replaced by what the lock file names
        found[distribution.metadata["Name"].lower()] = distribution
        for text in distribution.requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""}):
                waiting.append((needed.name, frozenset(needed.extras)))
    return list(found.values())
