"""A Snowflake account and an MLflow server on this machine, and the environment that connects to them."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 120


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[dict[str, str]]:
    """Run both servers while the block lasts. Their data is in the folder, and so is the home.

    Args:
        folder: empty, or that of an earlier rehearsal.
        port: of the account; a free one if not given.

    Yields:
        The environment, with a registry.
    """
    registry_port = _free_port()
    registry = f"http://127.0.0.1:{registry_port}"
    with account(folder, port) as environment:
        store = f"sqlite:///{folder / 'mlflow.db'}"
        module = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(registry_port), "--workers", "1",
                  "--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]  # fmt: skip
        with _process(module, folder / "mlflow.log", f"{registry}/health"):
            yield environment | {"MLFLOW_TRACKING_URI": registry}


@contextmanager
def account(folder: Path, port: int | None = None) -> Iterator[dict[str, str]]:
    """Run the account without a registry. Arguments as `running`.

    Yields:
        The environment that connects to it: this process's, without variables of other accounts and homes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    environment = _clean() | {
        "NIGHTBOOK_TARGET": "snowflake",
        "NIGHTBOOK_HOME": str(folder / "home"),
        "NIGHTBOOK_ACTOR": "rehearsal",
        # Each thread keeps its own procedure in memory.
        "NIGHTBOOK_DBT_THREADS": "4",
        "SNOWFLAKE_ACCOUNT": "rehearsal",
        "SNOWFLAKE_USER": "rehearsal",
        "SNOWFLAKE_PRIVATE_KEY_PATH": str(_key(folder / "key.p8")),
        "SNOWFLAKE_DATABASE": "NIGHTBOOK",
        "SNOWFLAKE_HOST": "127.0.0.1",
        "SNOWFLAKE_PORT": str(port),
        "SNOWFLAKE_PROTOCOL": "http",
        # The connector's configuration in the user's home belongs to another account.
        "SNOWFLAKE_HOME": str(folder),
    }
    module = ["tests.rehearsal.server", "--port", str(port), "--folder", str(folder / "account")]
    with _process(module, folder / "account.log", f"http://127.0.0.1:{port}/rehearsal/records"):
        with connected(environment, role="ACCOUNTADMIN", warehouse=None) as administrator:
            # As docs/snowflake.md describes it.
            administrator.cursor().execute("create user rehearsal type = service default_secondary_roles = ()")
        yield environment


def connected(environment: dict[str, str], **options):
    """A connection to the account of an environment, without dbt. The caller must close it."""
    return snowflake.connector.connect(
        account=environment["SNOWFLAKE_ACCOUNT"],
        user=environment["SNOWFLAKE_USER"],
        private_key_file=environment["SNOWFLAKE_PRIVATE_KEY_PATH"],
        host=environment["SNOWFLAKE_HOST"],
        port=int(environment["SNOWFLAKE_PORT"]),
        protocol=environment["SNOWFLAKE_PROTOCOL"],
        **{
            "database": environment["SNOWFLAKE_DATABASE"],
            "schema": "MAIN",
            "warehouse": f"{environment['SNOWFLAKE_DATABASE']}_TRANSFORM",
        }
        | options,
    )


def _clean() -> dict[str, str]:
    ours = ("NIGHTBOOK_", "MLFLOW_", "SNOWFLAKE_", "DBT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def _process(module: list[str], log: Path, address: str) -> Iterator[None]:
    """A server run by this Python, yielded once it answers."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            # Otherwise MLflow would start four more processes that look for jobs, and there are none.
            env=_clean() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        _wait_for(address, process, log)
        yield
    finally:
        # This also ends the server's own children.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _key(path: Path) -> Path:
    """A key that is only for this rehearsal."""
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return path


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{address} does not answer: see {log}")
