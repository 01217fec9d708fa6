"""The whole life of a lender in a Snowflake account that lives on this machine: `make rehearse`.

Bootstrap, landing, training, approval, a night, and the questions that a reviewer asks. Says what took how long; ends
with another status than 0 when any of it fails.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.rehearsal.running import ROOT, running

APPROVAL = ("--version", "1", "--approver", "reviewer", "--change-request", "REHEARSAL-1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep everything here (a temporary folder that goes at the end)")
    parser.add_argument("--port", type=int, help="of the account (a free one)")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="nightbook-rehearsal-"))
    started = time.monotonic()
    with running(folder.absolute(), given.port) as environment:
        told("servers", started)
        for name, command in steps():
            began = time.monotonic()
            role = {"SNOWFLAKE_ROLE": "ACCOUNTADMIN"} if name == "bootstrap" else {}
            done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment | role)
            told(name, began)
            if done.returncode:
                print(f"rehearsal: {name} failed; the logs are in {folder}", file=sys.stderr)
                return 1
    told("in all", started)
    if given.folder is None:
        shutil.rmtree(folder)
    return 0


def steps() -> list[tuple[str, list[str]]]:
    """What is done, in order: a name and what Python is called with."""
    account, application, night = tonight()
    dbt, runner = ["-c", "from dbt.cli.main import cli; cli()"], ["orchestrate.py"]
    return [
        ("bootstrap", [*dbt, "run-operation", "bootstrap_snowflake"]),
        ("landing", [*dbt, "--quiet", "seed", "--selector", "ci_landing"]),
        ("weekly", [*runner, "train"]),
        *((f"approve {model}", [*runner, "approve", model, *APPROVAL]) for model in ("account_pd", "application_pd")),
        ("nightly", [*runner, "score"]),
        ("status", [*runner, "status"]),
        ("explain account", [*runner, "explain", "--account", account, "--as-of", night]),
        ("explain application", [*runner, "explain", "--application", application, "--as-of", night]),
        ("reproduce", [*runner, "reproduce", "--as-of", night, "--sample", "25"]),
        ("verify-audit", [*runner, "verify-audit"]),
    ]


def tonight() -> tuple[str, str, str]:
    """An account, an undecided application and the night that the committed sample of the lender ends with."""
    with (ROOT / "seeds" / "raw" / "loan_servicing.csv").open(encoding="utf-8", newline="") as file:
        account, night = max(((row["account_id"], row["snapshot_date"]) for row in csv.DictReader(file)), key=_date)
    with (ROOT / "seeds" / "raw" / "applications.csv").open(encoding="utf-8", newline="") as file:
        undecided = [row["application_id"] for row in csv.DictReader(file) if not row["decision"]]
    return account, undecided[0], night


def _date(row: tuple[str, str]) -> str:
    return row[1]


def told(name: str, since: float) -> None:
    """A line with how long something took."""
    print(f"rehearsal: {name:<24}{time.monotonic() - since:6.1f} s", flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
