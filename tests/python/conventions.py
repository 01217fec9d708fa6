"""dbt-bouncer on artifacts that a test changed, with the configuration of `make lint`."""

import json
import os
import subprocess
from pathlib import Path

from tests.python.tools import tool

ROOT = Path(__file__).resolve().parents[2]


def failures(folder: Path, only: str, **artifacts: dict) -> list[str]:
    """List each failure as the name of its check and what it checked, in order.

    Args:
        folder: where the artifacts are written.
        only: category of checks, manifest_checks or catalog_checks.
        artifacts: content by name: manifest, and catalog if needed.
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
    """The check and what it checked. For a test, dbt-bouncer gives only a message, which starts with its id."""
    check, _, name = failure["check_run_id"].split(":")
    return f"{check} {failure['failure_message'].split(':')[0].split('.')[2] if 'test_is' in check else name}"
