"""What bootstrap_snowflake prints, and the manifest that it was printed from. No server is queried."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))

from tests.python import warm  # noqa: E402


@dataclass(frozen=True)
class Printed:
    """The statements, one per line, and dbt's manifest for this target."""

    sql: str
    manifest: dict

    def personal(self, needed_by_pipeline: bool = False) -> set[str]:
        """schema.table.column of each column that the landing contract calls personal."""
        return {
            f"{source['schema']}.{source['identifier']}.{name}"
            for source in self.manifest["sources"].values()
            for name, column in source["columns"].items()
            if column["meta"].get("is_personal")
            and (column["meta"].get("needed_by_pipeline") or not needed_by_pipeline)
        }


def environment(home: Path, key: Path, **more: str) -> dict[str, str]:
    """The environment of a run on Snowflake, without anything of this process that would change it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NIGHTBOOK_", "SNOWFLAKE_", "MLFLOW_"))
    }
    return kept | {
        "NIGHTBOOK_TARGET": "snowflake",
        "NIGHTBOOK_HOME": str(home),
        "SNOWFLAKE_HOME": str(home),
        "SNOWFLAKE_ACCOUNT": "rehearsal",
        "SNOWFLAKE_USER": "ada",
        "SNOWFLAKE_PRIVATE_KEY_PATH": str(key),
        "SNOWFLAKE_ROLE": "ACCOUNTADMIN",
        "MLFLOW_TRACKING_URI": "https://mlflow.lender.example",
        **more,
    }


def dbt(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    """Run plain dbt in its own process, as a user would."""
    return warm.account().run(["dbt", "--quiet", "--no-use-colors", *arguments], environment, ROOT)


@pytest.fixture(scope="session")
def key(tmp_path_factory) -> Path:
    return write_key(tmp_path_factory.mktemp("key") / "key.p8")


def write_key(file: Path) -> Path:
    """A new private key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """One home for all tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def printed(home, key) -> Printed:
    done = dbt(environment(home, key), "run-operation", "bootstrap_snowflake", "--args", "{dry_run: true}")
    assert done.returncode == 0, done.stdout + done.stderr
    return Printed(done.stdout, json.loads((warm.account().first / "target" / "manifest.json").read_text()))
