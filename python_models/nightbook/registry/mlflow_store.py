"""The way to MLflow: a store that is made whole or not at all, patience that ends, one line when nobody answers."""

import functools
import logging
import os
import re
import socket
import sqlite3
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nightbook.engine import deployment, home
from nightbook.errors import NightbookError

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Set where the user has not: MLflow's own patience with a server that is gone is four minutes for each request.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "GIT_PYTHON_REFRESH": "quiet",
}
_PATIENCE_SECONDS = 5.0
# How MLflow tells of a store that cannot be reached, is locked, or cannot be written.
_NO_ANSWER = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "BAD_REQUEST")


def client() -> "MlflowClient":
    """MLflow's client of the home's store; what keeps the store from answering is a NightbookError."""
    uri = home.registry_uri()
    with one_line(uri):
        found = _client_of(uri)
        _point_mlflow_at(uri)
    return found


def exists() -> bool:
    """Whether asking the store makes sense; a new SQLite store takes seconds to make, only to say that it is empty."""
    file = _file(home.registry_uri())
    return file is None or file.exists()


def origin() -> str:
    """What tells this home's, or this account's, training runs from those that others write to the same store."""
    staged = deployment.record()
    if staged is not None:
        return staged["origin"]
    return f"{socket.gethostname()}:{home.home()}"


def check() -> None:
    """Ask whether the store answers, in milliseconds and without MLflow, before anything is computed.

    Raises:
        NightbookError: nobody answers at its address, or somebody else has locked it.
    """
    uri = home.registry_uri()
    file = _file(uri)
    try:
        if file is not None and file.exists():
            with closing(
                sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=_PATIENCE_SECONDS)
            ) as store:
                store.execute("select count(*) from alembic_version").fetchone()
        elif uri.startswith(("http://", "https://")):
            urllib.request.urlopen(f"{_address(uri).rstrip('/')}/health", timeout=_PATIENCE_SECONDS).close()
    except urllib.error.HTTPError as error:
        # A server that refuses is there; whether it does so rightly is found out by who has credentials.
        if error.code >= 500:
            raise _silent(uri, error) from error
    except (OSError, ValueError, sqlite3.Error) as error:
        # MLflow has settings of its own for whom it trusts.
        if not isinstance(getattr(error, "reason", None), ssl.SSLError):
            raise _silent(uri, error) from error


@contextmanager
def one_line(uri: str) -> Iterator[None]:
    """Turn what keeps a store from answering into a NightbookError; MLflow's other refusals pass."""
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in _NO_ANSWER:
            raise
        raise _silent(uri, error) from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _silent(uri, error) from error


class _Client:
    """MLflow's client, each of whose calls ends in one line when the store does not answer."""

    def __init__(self, wrapped: "MlflowClient", uri: str) -> None:
        self._wrapped, self._uri = wrapped, uri

    def __getattr__(self, name: str) -> Callable:
        call = getattr(self._wrapped, name)

        @functools.wraps(call)
        def asked(*arguments: object, **options: object) -> object:
            with one_line(self._uri):
                return call(*arguments, **options)

        return asked


@functools.lru_cache(maxsize=4)
def _client_of(uri: str) -> Any:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    _take_token()
    import mlflow

    for name in ("mlflow", "alembic"):
        # Its errors are told by what is raised.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    file = _file(uri)
    if file is not None and not file.exists():
        _make(file)
    return _Client(mlflow.MlflowClient(uri, uri), uri)


def _take_token() -> None:
    """In a procedure the store's token is a secret of the account's, where one is configured."""
    staged = deployment.record()
    if staged is not None and staged["has_mlflow_secret"]:
        import _snowflake

        os.environ["MLFLOW_TRACKING_TOKEN"] = _snowflake.get_generic_secret_string("mlflow_token")


def _make(file: Path) -> None:
    """A new SQLite store: MLflow takes two seconds and fifty steps, and cannot go on from where it was killed."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    part = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for left in file.parent.glob(f"{part.name}*"):
            left.unlink()
        store = SqlAlchemyStore(f"sqlite:///{part}", home.artifacts().as_uri())
        store.engine.dispose()
        part.replace(file)
    except OSError as error:
        raise _silent(f"sqlite:///{file}", error) from error


def _point_mlflow_at(uri: str) -> None:
    """Make `uri` the store of MLflow's module-level functions.

    MLflow also writes it into the environment, where it would pass for the user's choice of a store ever after: another
    home would be ignored.
    """
    import mlflow

    if mlflow.get_tracking_uri() == uri == mlflow.get_registry_uri():
        return
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _file(uri: str) -> Path | None:
    """The file of a SQLite store, None for a store of another kind."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _silent(uri: str, error: Exception) -> NightbookError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # What MLflow asked, and how often, stands before why there was no answer.
    reason = reason.rpartition("(Caused by ")[2][:200]
    return NightbookError(
        f"the MLflow store {_address(uri)} does not answer: {reason}: see to it, or set MLFLOW_TRACKING_URI to another,"
        " then say this again"
    )


def _address(uri: str) -> str:
    """Without the name and the password that may stand in it."""
    return re.sub(r"//[^/@]*@", "//", uri)
