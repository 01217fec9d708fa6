"""The benchmark's other programs give the night's scores. It refuses what does not fit, and stops without a trace."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from .conftest import ROOT, Home

BENCHMARKS = ROOT / "benchmarks"
ENGINES = ["floor", "peer_polars", "peer_pandas"]


@pytest.fixture(scope="session")
def module():
    """Imports a module of the benchmark by its name."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="session")
def champion(demo, module, tmp_path_factory) -> Path:
    """Folder with the model and the inputs of the demo's champion."""
    folder = tmp_path_factory.mktemp("champion")
    module("champion").export_champion(demo[0].path, folder)
    return folder


def score(engine: str, home: Home, landing: Path, champion: Path, out: Path) -> dict[str, float]:
    """account_id -> pd of the home's last night, by another program."""
    if engine.startswith("peer_"):
        pytest.importorskip(engine.removeprefix("peer_"), reason="needs the development extra: make develop")
    as_of, known_at = home.query("select as_of_date::varchar, known_at::varchar from intermediate.int_run")[0]
    command = [sys.executable, str(BENCHMARKS / f"{engine}.py"), "--landing", str(landing)]
    command += ["--model", str(champion / "model.ubj"), "--features", str(champion / "features.json")]
    command += ["--as-of", as_of, "--known-at", known_at, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    with duckdb.connect() as connection:
        found = dict(connection.execute(f"select account_id, pd from read_parquet('{out}')").fetchall())
    assert said["accounts"] == len(found)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_another_program_scores_as_the_night_did(engine, demo, champion, tmp_path):
    home = demo[0]
    found = score(engine, home, home.path / "landing", champion, tmp_path / "scores.parquet")
    night = {account: pd for account, (pd, _) in home.partition().items()}
    assert found.keys() == night.keys()
    if engine == "floor":
        assert found == night
    close = sum(abs(found[account] - pd) < 1e-6 for account, pd in night.items())
    assert close >= 0.999 * len(night)


@pytest.mark.parametrize("engine", ENGINES)
def test_another_program_sees_one_corrected_row(engine, demo, champion, tmp_path):
    home = demo[0]
    landing = tmp_path / "landing"
    shutil.copytree(home.path / "landing", landing)
    (account, as_of, known_at), *_ = home.query(
        "select account_id, as_of_date::varchar, (select known_at::varchar from intermediate.int_run)"
        " from marts.fct_account_scores order by pd, account_id limit 1"
    )
    corrected = landing / "planted" / "loan_servicing"
    corrected.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select * replace (
                    60 as days_past_due, timestamp '{known_at}' as _loaded_at, 'planted' as _load_id
                )
                from read_parquet('{home.path}/landing/*/loan_servicing/*.parquet')
                where account_id = '{account}' and snapshot_date < '{as_of}'
                order by snapshot_date desc
                limit 1
            ) to '{corrected}/part-00000.parquet'
            """
        )
    found = score(engine, home, landing, champion, tmp_path / "scores.parquet")
    night = {account: pd for account, (pd, _) in home.partition().items()}
    assert found.keys() == night.keys()
    assert found[account] > 1.5 * night[account]


@pytest.mark.parametrize(
    ("accounts", "figure"),
    [(999, "from 1,000"), (12_000_001, "to 12,000,000"), (4_100_000, "GB of disk"), (4_000_000, "GB of memory")],
)
def test_a_size_that_does_not_fit_is_refused_before_any_work(accounts, figure, module, tmp_path, monkeypatch):
    benchmark = module("run")
    gigabytes = {"GB of disk": (1, 64), "GB of memory": (1_000, 1)}.get(figure, (1_000, 64))
    monkeypatch.setattr(benchmark, "free_disk", lambda _: gigabytes[0] * 10**9)
    monkeypatch.setattr(benchmark, "memory", lambda: gigabytes[1] * 10**9)
    with pytest.raises(benchmark.Refused, match=figure) as refusal:
        benchmark.refuse_what_does_not_fit(accounts, tmp_path / "benchmark")
    assert f"{accounts:,}" in str(refusal.value) and "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_size_that_fits_is_not_refused(module, tmp_path, monkeypatch):
    benchmark = module("run")
    monkeypatch.setattr(benchmark, "free_disk", lambda _: 100 * 10**9)
    monkeypatch.setattr(benchmark, "memory", lambda: 23 * 10**9)
    benchmark.refuse_what_does_not_fit(4_100_000, tmp_path)


def test_an_interrupted_benchmark_leaves_results_whole_and_nothing_behind(tmp_path):
    kept = {file: file.read_bytes() for file in (BENCHMARKS / "RESULTS.md", BENCHMARKS / "results.json")}
    process = subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "run.py"), "--accounts", "50000"],
        env=os.environ | {"NIGHTBOOK_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background ignores interrupts, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    landing = tmp_path / "benchmark"
    while not list(landing.rglob("*.parquet")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "benchmark: interrupted; earlier results are unchanged"
    assert not landing.exists()
    assert {file: file.read_bytes() for file in kept} == kept


def test_results_that_cannot_be_written_leave_those_of_before(module, tmp_path, monkeypatch):
    results = module("results")
    before = results.DATA.read_bytes()
    for name in ("DATA", "TABLE"):
        monkeypatch.setattr(results, name, tmp_path / getattr(results, name).name)
    results.DATA.write_bytes(before)
    (first, *_) = json.loads(before)
    results.add(first | {"commit": "planted"})
    assert json.loads(results.DATA.read_text())[0]["commit"] == "planted"
    assert "planted" in results.TABLE.read_text()
    written = results.DATA.read_bytes(), results.TABLE.read_bytes()
    with pytest.raises(KeyError):
        results.add({"accounts": first["accounts"]})
    assert (results.DATA.read_bytes(), results.TABLE.read_bytes()) == written
