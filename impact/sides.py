"""The two sides of a comparison: their code in separate folders, and homes in which each lands, trains and scores.

A side is stored under the digest of its deciding files, so that an unchanged side is not built again.
"""

import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import duckdb
from nightbook import shown
from nightbook.errors import NightbookError
from nightbook.trail import scratch_home

# What a score can depend on. Tests, documentation and this report cannot change one.
DECIDING = ("dbt_project.yml", "macros", "models", "orchestrate.py", "profiles.yml", "python_models",
            "requirements.txt", "seeds", "selectors.yml", "snapshots")  # fmt: skip
# What dbt and the limits need as well.
NEEDED = (".dbtignore", "analyses", "impact", "tests")
CATALOG = Path("seeds/reference/feature_catalog.csv")
# Without tests, because a drift that would stop the night is exactly what the report must show.
NIGHT = ("build", "--selector", "nightly", "--exclude-resource-type", "test", "unit_test")
SAMPLE = ("seed", "--selector", "ci_landing")
REGISTRY = "mlflow.db"


@dataclass(frozen=True)
class Side:
    """A tree's code, and the homes of its two books. `is_new`: whether this run built them."""

    name: str
    key: str
    code: Path
    lender: Path
    sample: Path
    is_new: bool = True

    @property
    def homes(self) -> dict[str, Path]:
        return {"synthetic lender": self.lender, "committed sample": self.sample}


def tree_of(reference: str) -> str:
    """The git tree of a commit.

    Args:
        reference: any name that git accepts for a commit.

    Raises:
        NightbookError: there is no such commit in this clone.
    """
    try:
        return _git("rev-parse", "--verify", "--end-of-options", f"{reference}^{{tree}}")
    except NightbookError as error:
        raise NightbookError(f"{reference} is not a commit of this clone: fetch it, or name another base") from error


def tree_of_checkout(folder: Path) -> str:
    """The git tree of the files as they are, committed or not. The repository's own index does not change.

    Args:
        folder: place for a temporary index.
    """
    index = folder / "index"
    environment = os.environ | {"GIT_INDEX_FILE": str(index)}
    _git("read-tree", "HEAD", environment=environment)
    _git("add", "--all", environment=environment)
    tree = _git("write-tree", environment=environment)
    index.unlink()
    return tree


def key_of(tree: str) -> str:
    """Digest of the files of a tree that decide a score."""
    return hashlib.sha256(_git("ls-tree", "-r", tree, "--", *DECIDING).encode()).hexdigest()[:12]


def lay_out(folder: Path, name: str, tree: str) -> Path:
    """Extract a tree's deciding files and limits into a folder of its own."""
    code = folder / f"code-{name}"
    shutil.rmtree(code, ignore_errors=True)
    there = _git("ls-tree", "--name-only", tree).splitlines()
    wanted = [path for path in there if path in (*DECIDING, *NEEDED)]
    packed = subprocess.run(
        ["git", "archive", "--format=tar", "--end-of-options", tree, *wanted], capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(code, filter="data")
    return code


def libraries_differ(trees: dict[str, str]) -> bool:
    """Whether two trees pin different libraries. Both sides run on the libraries that are installed here."""
    return len({_git("ls-tree", tree, "--", "requirements.txt") for tree in trees.values()}) > 1


def lost_inputs(base: Path, change: Path) -> list[tuple[str, str]]:
    """Model inputs of the base that the change's catalog lacks. Without them the base's champion cannot score."""
    return sorted(_features(base, in_model=True) - _features(change))


def base(folder: Path, code: Path, key: str, accounts: int) -> Side:
    """The base side: land, train, approve its candidates, and score both books with them."""
    side = _side(folder, "base", f"{key}-{accounts}", code)
    return _once(side, lambda: _of_its_own(side, accounts))


def change(
    folder: Path, code: Path, key: str, accounts: int, against: Side, is_shared: bool, is_quick: bool = False
) -> Side:
    """The change side: score both books with the base's champions if all their inputs exist, else with its own models.

    It also trains on the same data, for the gate's figures. A quick run trains only if it scores with its own models.
    """
    is_quick = is_quick and is_shared
    side = _side(folder, "change", f"{against.key}-{key}{'-quick' if is_quick else ''}", code)
    if is_shared:
        return _once(side, lambda: _with_champions_of(against, side, accounts, is_quick))
    return _once(side, lambda: _of_its_own(side, accounts))


def _of_its_own(side: Side, accounts: int) -> None:
    _land(side, accounts)
    _run(side, side.lender, "train", NIGHTBOOK_ACTOR="impact-maker")
    for model in sorted({model for model, _ in _features(side.code, in_model=True)}):
        _run(side, side.lender, "approve", model, "--version", "1", "--approver", "impact-approver",
             "--change-request", "IMPACT")  # fmt: skip
    _carry_record(side.lender, side.sample)
    _nights(side)


def _with_champions_of(against: Side, side: Side, accounts: int, is_quick: bool) -> None:
    _land(side, accounts)
    # The change's own models go to another registry. Otherwise they would be scored as challengers, which the base's
    # night does not have.
    shutil.copytree(against.lender / "mlflow-artifacts", side.lender / "mlflow-artifacts")
    for name in (REGISTRY, "training.db"):
        shutil.copy(against.lender / REGISTRY, side.lender / name)
    _carry_record(against.lender, side.lender)
    _carry_record(against.lender, side.sample)
    if not is_quick:
        apart = f"sqlite:///{side.lender / 'training.db'}"
        _run(side, side.lender, "train", NIGHTBOOK_ACTOR="impact-maker", MLFLOW_TRACKING_URI=apart)
        _carry_record(against.lender, side.lender)
    _nights(side)


def _carry_record(scored: Path, home: Path) -> None:
    """Let a home score with the champions of another home, without any other version."""
    file = str(scored / "warehouse.duckdb").replace("'", "''")
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{file}' as scored (read_only)")
        scratch_home.carry_record(connection, "scored")


def _land(side: Side, accounts: int) -> None:
    _run(side, side.lender, "land", "synthetic", "--accounts", str(accounts))
    _dbt(side, side.sample, *SAMPLE)


def _nights(side: Side) -> None:
    _dbt(side, side.lender, *NIGHT)
    _dbt(side, side.sample, *NIGHT, MLFLOW_TRACKING_URI=f"sqlite:///{side.lender / REGISTRY}")


def _side(folder: Path, name: str, key: str, code: Path) -> Side:
    home = folder / f"{name}-{key}"
    return Side(name, key, code, home / "lender", home / "sample")


def _once(side: Side, build: Callable[[], None]) -> Side:
    """Build a side if it does not exist or was interrupted. Other sides of its name are deleted."""
    home = side.lender.parent
    if (home / "built").exists():
        print(f"{side.name}: as built before", flush=True)
        return replace(side, is_new=False)
    for other in home.parent.glob(f"{side.name}-*"):
        shutil.rmtree(other)
    for one in (side.lender, side.sample):
        one.mkdir(parents=True)
    build()
    (home / "built").touch()
    return side


def _features(code: Path, in_model: bool = False) -> set[tuple[str, str]]:
    with (code / CATALOG).open(encoding="utf-8", newline="") as stream:
        return {
            (row["model_name"], row["name"])
            for row in csv.DictReader(stream)
            if not in_model or row["in_model"] == "true"
        }


def _run(side: Side, home: Path, *arguments: str, **more: str) -> None:
    _call(side, home, ["orchestrate.py", *arguments], more)


def _dbt(side: Side, home: Path, *arguments: str, **more: str) -> None:
    _call(side, home, ["-m", "dbt.cli.main", "--quiet", *arguments], more)


def _call(side: Side, home: Path, arguments: list[str], more: dict[str, str]) -> None:
    print(shown.line(f"{side.name}, {home.name}: {' '.join(arguments[:6])}"), flush=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTBOOK_", "MLFLOW_", "DBT_"))}
    given = {
        "NIGHTBOOK_HOME": str(home),
        "NIGHTBOOK_ACTOR": "impact",
        # A sample is not the whole book, and the effect of a changed feature must be measured instead of stopped.
        "NIGHTBOOK_OVERRIDE": "*",
        "NIGHTBOOK_OVERRIDE_REASON": "impact of a change",
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=side.code, env=kept | given | more, capture_output=True, text=True
    )
    if done.returncode:
        raise NightbookError(f"{side.name}, {' '.join(arguments[:3])}: {_reason(done)}")


def _reason(done: subprocess.CompletedProcess) -> str:
    """The runner's error line. For dbt, which prints errors on stdout, the first lines of the first error."""
    refused = [line for line in done.stderr.splitlines() if line.startswith("nightbook: ")]
    if refused:
        return refused[-1].removeprefix("nightbook: ")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if "Error" in line), 0)
    return " ".join(lines[first : first + 4]) or (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _git(*arguments: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise NightbookError(f"git {arguments[0]}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return done.stdout.strip()
