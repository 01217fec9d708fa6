"""dbt-bouncer on artifacts that a test has changed, by the configuration that `make lint` uses."""

import json
import os
import subprocess
from pathlib import Path

from tests.python.tools import tool

ROOT = Path(__file__).resolve().parents[2]


def failures(folder: Path, only: str, **artifacts: dict) -> list[str]:
    """Each failure as the name of its check and what it was run on, in order.

    Args:
        folder: where the artifacts are written.
        only: category of checks, manifest_checks or catalog_checks.
        artifacts: content by name, manifest and where it is wanted catalog.
    """
    target, found = folder / "target", folder / "found.json"
    target.mkdir(exist_ok=True)
    for name, content in artifacts.items():
        (target / f"{name}.json").write_text(json.dumps(content))
    command = [tool("dbt-bouncer"), "run", "--config-file", ROOT / "dbt-bouncer.yml", "--only", only]
    done = subprocess.run(
        [*command, "--output-file", found, "--output-only-failures"],
        env=os.environ | {"DBT_PROJECT_DIR": str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1) and found.exists(), done.stdout + done.stderr
    return sorted(_named(one) for one in json.loads(found.read_text()))


def _named(failure: dict) -> str:
    """The check and what it was run on; a test is known by its id, of which dbt-bouncer gives the message alone."""
    check, _, name = failure["check_run_id"].split(":")
    return f"{check} {failure['failure_message'].split(':')[0].split('.')[2] if 'test_is' in check else name}"
