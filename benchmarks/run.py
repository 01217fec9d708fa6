"""Time whole nights of a chosen size through the command line that a user calls, beside the floor and the peers.

`make benchmark ACCOUNTS=N` lands a lender with N accounts on its book, trains, approves, and scores two consecutive
nights. Then it runs the bare computation of the second night, and the same with other engines. All of it happens in one
run, so that ratios hold on a noisy machine. The table goes to RESULTS.md only when everything is done.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "python_models")]

import champion  # noqa: E402
import day_before  # noqa: E402
import duckdb  # noqa: E402
import results  # noqa: E402

MONTHS = 24
APPLICATIONS = 9_000
SEED = 2
TRAINING_ACCOUNTS = 220_000
# Share of all accounts ever opened, in the 24 months and before, that are on the book at the end.
OPEN_SHARE = 0.682
# Measured at 4.1 million accounts and rounded up: landing, warehouse with two nights, spill.
DISK_PER_ACCOUNT = 8_000
# The weekly run grows with the book until DuckDB has used its memory limit. The floor has no such limit.
MEMORY_PER_ACCOUNT = 26_000
MEMORY_OF_DUCKDB = 8_000_000_000
MEMORY_BESIDE = 1_700_000_000
FLOOR_MEMORY_PER_ACCOUNT = 3_500
PEER_MEMORY_PER_ACCOUNT = {"polars": 2_500, "pandas": 7_500}

FIRST_NIGHT = ("2026-06-29", "2026-06-30 12:00:00")
SECOND_NIGHT = ("2026-06-30", "2026-07-01 12:00:00")


@dataclass(frozen=True)
class Step:
    """A finished command: wall seconds, and the peak resident memory of its largest process."""

    seconds: float
    peak_bytes: int
    output: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, required=True, metavar="N", help="accounts on the second night's book")
    parser.add_argument("--keep", action="store_true", help="keep the benchmark's home")
    parser.add_argument("--without-peers", action="store_true", help="measure only the nights and the floor")
    arguments = parser.parse_args()
    folder = Path(os.environ.get("NIGHTBOOK_HOME", ".nightbook")).absolute() / "benchmark"
    try:
        refuse_what_does_not_fit(arguments.accounts, folder)
        measured = measure(arguments.accounts, folder / str(arguments.accounts), not arguments.without_peers)
    except Refused as refusal:
        print(f"benchmark: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmark: interrupted; earlier results are unchanged", file=sys.stderr)
        return 130
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    results.add(measured)
    print(results.table([measured]))
    return 0


class Refused(Exception):
    """A benchmark that cannot run, or a step of it that failed, in one line."""


def refuse_what_does_not_fit(accounts: int, folder: Path) -> None:
    """Raise Refused before any work starts if disk or memory is too small, with the figure that is needed."""
    if not 1_000 <= accounts <= 12_000_000:
        raise Refused(f"ACCOUNTS={accounts:,}: give a number from 1,000 to 12,000,000")
    for what, needed, there in (
        ("disk", accounts * DISK_PER_ACCOUNT, free_disk(folder)),
        ("memory", needed_memory(accounts), memory()),
    ):
        if needed > there:
            raise Refused(
                f"ACCOUNTS={accounts:,} needs {needed / 1e9:.1f} GB of {what}, but only {there / 1e9:.1f} GB are "
                "available: choose a smaller number, or another NIGHTBOOK_HOME"
            )


def needed_memory(accounts: int) -> int:
    """Bytes that the largest process needs."""
    weekly = min(accounts * MEMORY_PER_ACCOUNT, MEMORY_OF_DUCKDB) + MEMORY_BESIDE
    return max(weekly, accounts * FLOOR_MEMORY_PER_ACCOUNT)


def free_disk(folder: Path) -> int:
    """Free bytes on the disk of a folder that need not exist."""
    return shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free


def memory() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def measure(accounts: int, home: Path, with_peers: bool) -> dict:
    """Land, train, approve, score two nights, then run floor and peers. Returns one entry of the results."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    environment = os.environ | {"NIGHTBOOK_HOME": str(home)}
    steps: dict[str, Step] = {}

    def nightbook(name: str, *command: str, actor: str = "benchmark-modeller") -> None:
        print(f"{datetime.now():%H:%M:%S} {name}", flush=True)
        steps[name] = run([str(ROOT / "orchestrate.py"), *command], environment | {"NIGHTBOOK_ACTOR": actor})

    ever = round(accounts / OPEN_SHARE)
    nightbook(
        "landing", "land", "synthetic", "--accounts", str(ever), "--months", str(MONTHS),
        "--applications", str(APPLICATIONS), "--seed", str(SEED),
    )  # fmt: skip
    day_before.write(home / "landing", home / "day_before", FIRST_NIGHT, TRAINING_ACCOUNTS)
    nightbook("landing of a day", "land", "files", "--dir", str(home / "day_before"))
    shutil.rmtree(home / "day_before")
    nightbook("weekly run", "train", "--known-at", FIRST_NIGHT[1])
    weekly = node_seconds(home)
    for model in ("account_pd", "application_pd"):
        nightbook(
            f"approval of {model}", "approve", model, "--version", "1", "--approver", "benchmark-approver",
            "--change-request", "BENCHMARK-1", actor="benchmark-approver",
        )  # fmt: skip
    nightbook("first night", "score", "--known-at", FIRST_NIGHT[1])
    nightbook("second night", "score", "--known-at", SECOND_NIGHT[1])
    night = node_seconds(home)

    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        scored = warehouse.execute(
            "select count(*) from marts.fct_account_scores where as_of_date = ?", [SECOND_NIGHT[0]]
        ).fetchone()[0]
        cases = warehouse.execute("select count(*) from training.training_set_account_pd").fetchone()[0]
        servicing_rows, payments = (
            warehouse.execute(f"select count(*) from raw.{table}").fetchone()[0]
            for table in ("loan_servicing", "payments")
        )
    champion.export_champion(home, home / "champion")
    others = {"floor": other("floor", home)}
    others["floor"] |= agreement(home, home / "floor.parquet")
    if others["floor"]["equal"] != others["floor"]["accounts"]:
        raise Refused(f"the floor and the night differ: {others['floor']}")
    for peer, needed in PEER_MEMORY_PER_ACCOUNT.items() if with_peers else ():
        if needed * accounts > memory():
            others[peer] = {"does_not_fit": needed * accounts}
            continue
        try:
            others[peer] = other(f"peer_{peer}", home) | agreement(home, home / f"peer_{peer}.parquet")
        except Refused as failure:
            others[peer] = {"failed": str(failure)}
    return {
        "accounts": accounts,
        "accounts_ever": ever,
        "accounts_scored": scored,
        "servicing_rows": servicing_rows,
        "payments": payments,
        "account_cohorts": cases,
        "steps": {name: {k: v for k, v in asdict(step).items() if k != "output"} for name, step in steps.items()},
        "night": night,
        "weekly": weekly,
        "others": others,
        "bytes": {
            "landing": sum(file.stat().st_size for file in (home / "landing").rglob("*") if file.is_file()),
            "warehouse": (home / "warehouse.duckdb").stat().st_size,
        },
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "memory_bytes": memory(),
            "system": platform.platform(terse=True),
            "python": platform.python_version(),
        },
        "versions": {name: metadata.version(name) for name in results.VERSIONS},
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
    }


def run(command: list[str], environment: dict[str, str]) -> Step:
    """Run a Python script to its end.

    Args:
        command: the script and its arguments.
        environment: its environment variables.

    Raises:
        Refused: it failed; the message is its last line.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    seconds = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) != 0:
        last = (output.strip().splitlines() or ["no message"])[-1]
        raise Refused(f"{' '.join([Path(command[0]).name, *command[1:3]])} failed: {last}")
    return Step(seconds, usage.ru_maxrss * 1024, output)


def other(script: str, home: Path) -> dict:
    """The second night's features and scores by another program: seconds, peak memory and stages."""
    print(f"{datetime.now():%H:%M:%S} {script}", flush=True)
    step = run(
        [
            str(HERE / f"{script}.py"),
            "--landing", str(home / "landing"),
            "--model", str(home / "champion" / "model.ubj"),
            "--features", str(home / "champion" / "features.json"),
            "--as-of", SECOND_NIGHT[0],
            "--known-at", SECOND_NIGHT[1],
            "--threads", "2",
            "--out", str(home / f"{script}.parquet"),
        ],
        dict(os.environ) | {"POLARS_MAX_THREADS": "2"},
    )  # fmt: skip
    said = json.loads(step.output.strip().splitlines()[-1])
    return {"seconds": step.seconds, "peak_bytes": step.peak_bytes, "stages": said.get("stages", {})}


def agreement(home: Path, scores: Path) -> dict:
    """How many accounts have the night's pd: equal to the bit, and within a millionth."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as warehouse:
        accounts, equal, close = warehouse.execute(
            f"""
            select count(*), count(*) filter (night.pd = other.pd), count(*) filter (abs(night.pd - other.pd) < 1e-6)
            from (select * from marts.fct_account_scores where as_of_date = ?) as night
            full outer join read_parquet('{scores}') as other using (account_id)
            """,
            [SECOND_NIGHT[0]],
        ).fetchone()
    return {"accounts": accounts, "equal": equal, "close": close}


def node_seconds(home: Path) -> dict:
    """Seconds of the last build by layer, with tests apart, as dbt measured each node. Two nodes run at a time."""
    build = json.loads((home / "target" / "run_results.json").read_text())
    manifest = json.loads((home / "target" / "manifest.json").read_text())
    layers: dict[str, float] = {}
    tests = 0
    for one in build["results"]:
        if one["unique_id"].startswith("test."):
            layer, tests = "tests", tests + 1
        else:
            layer = manifest["nodes"].get(one["unique_id"], {}).get("schema") or "hooks"
        layers[layer] = layers.get(layer, 0) + one["execution_time"]
    slowest = sorted(build["results"], key=lambda one: -one["execution_time"])[:8]
    return {
        "elapsed": build["elapsed_time"],
        "tests": tests,
        "layers": layers,
        "slowest": {one["unique_id"].split(".")[2]: one["execution_time"] for one in slowest},
    }


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())
