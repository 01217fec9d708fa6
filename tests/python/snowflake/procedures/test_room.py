"""Code in a procedure comes from the staged zip and the declared packages, or does not run."""

import io
import re
import zipfile

import pytest
from runner import snowflake_stage
from snowflake.connector.errors import ProgrammingError

SCORING = "def main(session):\n    from nightbook.scoring import scorer\n    return scorer.__file__"


def without(zipped: bytes, module: str) -> bytes:
    """The library without one module."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(zipped)) as source, zipfile.ZipFile(packed, "w") as target:
        assert f"nightbook/{module}" in source.namelist()
        for name in source.namelist():
            if name != f"nightbook/{module}":
                target.writestr(name, source.read(name))
    return packed.getvalue()


def refused(call, *arguments, **options) -> str:
    with pytest.raises(ProgrammingError) as told:
        call(*arguments, **options)
    return told.value.msg


def test_the_library_is_read_out_of_the_zip(call):
    assert call(SCORING).endswith("/nightbook.zip/nightbook/scoring/scorer.py")


@pytest.mark.parametrize("module", ["scoring/inference.py", "engine/frames.py", "registry/model_versions.py"])
def test_a_module_that_the_zip_lacks_is_missed(call, put, zipped, module):
    put(snowflake_stage.FILE, without(zipped, module))
    message = refused(call, SCORING)
    package, _, name = module.removesuffix(".py").partition("/")
    assert f"cannot import name '{name}'" in message or f"No module named 'nightbook.{package}.{name}'" in message


def test_an_undeclared_package_is_missed(call, runtime):
    assert "No module named 'mlflow'" in refused(call, "def main(session):\n    import mlflow")
    assert "No module named 'duckdb'" in refused(call, "def main(session):\n    import duckdb", runtime["packages"])


def test_what_a_declared_package_requires_is_there(call):
    assert call("def main(session):\n    import dateutil, pandas\n    return pandas.__version__", ["pandas==3.1.1",
                "snowflake-snowpark-python==1.56.0"])  # fmt: skip


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("numpy", "package 'numpy' is not pinned: write NAME==VERSION"),
        ("numpy>=2", "package 'numpy>=2' is not pinned: write NAME==VERSION"),
        ("numpy==1.0.0", "Packages not found: - numpy==1.0.0"),
        ("nobodys-package==1.0", "Packages not found: - nobodys-package==1.0"),
    ],
)
def test_packages_are_pinned_to_what_there_is(call, package, expected):
    message = refused(call, SCORING, ["snowflake-snowpark-python==1.56.0", package])
    assert expected in message and len(message.splitlines()) == 2


def test_a_missing_stage_file_is_one_line(call):
    message = refused(call, SCORING, imports=["@code.library/nightbook.zip", "@code.library/gone.zip"])
    assert message.splitlines()[1:] == ["the file @code.library/gone.zip, named in IMPORTS, is not on the stage"]


def test_nothing_of_this_machine_is_seen(call):
    found = call(
        "def main(session):\n    import os, sys, pathlib\n"
        "    return repr((sorted(os.environ), [p for p in sys.path if 'site-packages' in p], os.listdir('.')))"
    )
    assert "site-packages" not in found and "NIGHTBOOK" not in found and ".git" not in found


def test_nobody_is_called_without_an_integration(call):
    body = "def main(session):\n    import socket\n    socket.create_connection(('127.0.0.1', 9))"
    assert "127.0.0.1:9 cannot be reached: no EXTERNAL_ACCESS_INTEGRATIONS allows it" in refused(call, body)


def test_an_error_comes_with_its_traceback(call):
    message = refused(
        call, "def main(session):\n    from nightbook.errors import NightbookError\n    raise NightbookError('no')"
    )
    assert message.startswith("100357 (P0000): Python Interpreter Error:\nTraceback (most recent call last):\n")
    assert re.search(r"nightbook\.errors\.NightbookError: no\n in function REHEARSED with handler main$", message)


def test_the_session_is_the_callers(call, connection):
    connection.cursor().execute("create or replace temporary table mine as select 7 as n")
    assert call("def main(session):\n    return str(session.table('mine').collect()[0]['N'])") == "7"
    call(
        "def main(session):\n"
        "    session.sql('create or replace temporary table yours as select 8 as n').collect()\n    return ''"
    )
    assert connection.cursor().execute("select n from yours").fetchone() == (8,)
