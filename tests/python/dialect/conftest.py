"""Every query of the project as dbt compiles it for Snowflake. None of them runs."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests.python import warm  # noqa: E402
from tests.rehearsal import running  # noqa: E402


@pytest.fixture(scope="session")
def compiled(tmp_path_factory) -> dict[str, str]:
    """Path of a model, test, snapshot or analysis -> its SQL, compiled against an empty Snowflake account."""
    folder = tmp_path_factory.mktemp("dialect")
    with running.account(folder) as environment:
        _stage_a_library(environment, folder)
        done = warm.account().run(["dbt", "--quiet", "--no-use-colors", "compile"], environment, ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
    target = folder / "home" / "target" / "compiled" / "nightbook"
    return {file.relative_to(target).as_posix(): file.read_text() for file in sorted(target.rglob("*.sql"))}


def _stage_a_library(environment: dict[str, str], folder: Path) -> None:
    """A file where a run looks for the library of its Python models. None of them is called."""
    (folder / "nightbook.zip").write_bytes(b"")
    with running.connected(environment) as connection:
        cursor = connection.cursor()
        cursor.execute("create schema if not exists code")
        cursor.execute("create stage if not exists code.library")
        cursor.execute(f"put 'file://{folder / 'nightbook.zip'}' @code.library auto_compress = false overwrite = true")
