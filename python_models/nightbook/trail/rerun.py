"""Run a night again in a scratch home, with the code of its run: this checkout, or the run's commit."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from nightbook import provenance
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.registry import mlflow_store
from nightbook.trail import scored_nights
from nightbook.trail.scored_nights import Night

SCRATCH = "reproduction-"
_OTHER_CODE = 3
# One process with the code in question on its path: parse, compare digests, build.
_DRIVER = f"""
import json, sys
from dbt.cli.main import dbtRunner
from nightbook import provenance
def invoke(*arguments):
    done = runner.invoke(["--quiet", "--log-level", "none", *arguments])
    if done.exception:
        sys.exit(str(done.exception))
    return done.result
runner = dbtRunner()
manifest = invoke("parse")
digests = provenance.code_digests()
if any(digests[name] != digest for name, digest in json.loads(sys.argv[1]).items()):
    sys.exit({_OTHER_CODE})
manifest.build_flat_graph()
runner = dbtRunner(manifest=manifest)
results = invoke("build", "--select", *sys.argv[2:], "--exclude-resource-type", "test", "unit_test").results
failed = [one for one in results if one.status == "error"]
if failed:
    sys.exit(failed[0].node.name + ": " + " ".join((failed[0].message or "").split()))
"""


def _selected() -> list[str]:
    """Selectors of what a reproduction compares. An earlier commit may lack one, and then that one selects nothing."""
    return [f"+{relation.partition('.')[2]}" for _, relation, _, _ in scored_nights.compared()]


def derive(scratch: Path, night: Night) -> str:
    """Run the DAG in the scratch home with the run's own code: this checkout if it is the same, else its commit.

    Returns:
        Which code it was, in words.

    Raises:
        NightbookError: the run's code is not available, or the build fails.
    """
    # The scratch home reads this home's store, and only here a moved store is settled.
    mlflow_store.check()
    run = night.run
    label = f"the night of {night.as_of_date}, run {run['run_id']}"
    if _build(Path.cwd(), scratch, night):
        return "this checkout, which has the digests of the run"
    commit = run["git_commit"]
    lacking = f"{label}, was made with other code than this checkout's"
    if run["is_dirty"] or commit == "unknown":
        raise NightbookError(
            f"{lacking}, with changes that are in no commit (last commit {commit[:12]}), so it cannot be computed"
            " again; `explain` shows its stored inputs, model and contributions"
        )
    if not provenance.is_commit(commit):
        raise NightbookError(
            f"{lacking}: its record names the commit {commit!r}, which is not a full hash: `verify-audit` checks"
            " whether somebody has changed the record"
        )
    packed = subprocess.run(["git", "archive", "--format=tar", "--end-of-options", commit], capture_output=True)
    if packed.returncode:
        raise NightbookError(
            f"{lacking}: commit {commit[:12]}, which is not in this clone; fetch it, then run this command again"
        )
    folder = scratch / "code"
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    if not _build(folder, scratch, night):
        raise NightbookError(
            f"{lacking}: commit {commit[:12]} exists but gives other digests, so the run used files that are in no "
            "commit; `explain` shows its stored inputs, model and contributions"
        )
    return f"commit {commit[:12]}, checked out separately"


def sweep() -> None:
    """Delete what killed reproductions left. The names of their folders contain their process ids."""
    for left in home.home().glob(f"{SCRATCH}*"):
        process = left.name.removeprefix(SCRATCH).partition("-")[0]
        if not Path("/proc").exists() or not Path(f"/proc/{process}").exists():
            shutil.rmtree(left, ignore_errors=True)


def _build(code: Path, scratch: Path, night: Night) -> bool:
    """Parse a project and build the night with it. False if the project is not the run's code."""
    wanted = json.dumps({name: night.run[name] for name in ("manifest_digest", "library_digest")})
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, wanted, *_selected()],
        cwd=code,
        env=_environment(code, scratch, night),
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, _OTHER_CODE):
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NightbookError(f"computing the night of {night.as_of_date} again failed: {reason}")
    return done.returncode == 0


def _environment(code: Path, scratch: Path, night: Night) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTBOOK_")}
    settings = {name: os.environ[name] for name in ("NIGHTBOOK_MEMORY", "NIGHTBOOK_THREADS") if name in os.environ}
    return kept | settings | {
        "NIGHTBOOK_HOME": str(scratch),
        "NIGHTBOOK_ACTOR": home.actor(),
        "NIGHTBOOK_AS_OF": night.as_of_date.isoformat(),
        "NIGHTBOOK_KNOWN_AT": night.run["known_at"].isoformat(" ", "microseconds"),
        # A sample is not the whole book, and input checks would stop it. The night itself has passed them.
        "NIGHTBOOK_OVERRIDE": "*",
        "NIGHTBOOK_OVERRIDE_REASON": "computed again",
        "NIGHTBOOK_VERSIONS": " ".join(f"{name}={version}" for name, version in sorted(night.versions.items())),
        "MLFLOW_TRACKING_URI": home.registry_uri(),
        "PYTHONPATH": str(code / "python_models"),
    }  # fmt: skip
