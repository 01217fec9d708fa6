"""Access to the MLflow store: created whole or not at all, with time limits, and one line when it does not answer."""

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
from urllib.parse import quote, unquote, urlsplit

from nightbook.engine import deployment, home, moved
from nightbook.errors import NightbookError

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Defaults, unless the user has set them. MLflow's own limit for an unreachable server is four minutes per request.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "GIT_PYTHON_REFRESH": "quiet",
}
_PATIENCE_SECONDS = 5.0
# Where MLflow keeps absolute addresses of artifacts.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
# The tag of a training run that holds `origin()`.
ORIGIN = "nightbook.origin"
# How MLflow reports a store that cannot be reached, is locked, or cannot be written.
_NO_ANSWER = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "BAD_REQUEST")


def client() -> "MlflowClient":
    """MLflow's client of the home's store. A store that does not answer raises NightbookError."""
    uri = home.registry_uri()
    with one_line(uri):
        found = _client_of(uri)
        _point_mlflow_at(uri)
    return found


def exists() -> bool:
    """Whether querying the store makes sense. Creating a SQLite store takes seconds, only to find it empty."""
    file = file_of(home.registry_uri())
    return file is None or file.exists()


def file_of(uri: str) -> Path | None:
    """The file of a SQLite store, None for another kind of store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def origin() -> str:
    """The mark that separates this home's training runs from those of others in the same store."""
    staged = deployment.record()
    if staged is not None:
        return staged["origin"]
    return f"{socket.gethostname()}:{home.home()}"


def check() -> None:
    """Check that the store answers, in milliseconds and without MLflow, before anything is computed.

    Raises:
        NightbookError: the store does not answer, or another process has locked it.
    """
    uri = home.registry_uri()
    file = file_of(uri)
    with answering():
        if file is not None and file.exists():
            with closing(opened(file)) as store:
                store.execute("select count(*) from alembic_version").fetchone()
            settle()
        elif uri.startswith(("http://", "https://")):
            urllib.request.urlopen(f"{_address(uri).rstrip('/')}/health", timeout=_PATIENCE_SECONDS).close()


def opened(file: Path) -> sqlite3.Connection:
    """A SQLite store that exists, without MLflow. It is opened for writing, so that a killed write is rolled back."""
    return sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=_PATIENCE_SECONDS)


@contextmanager
def answering() -> Iterator[None]:
    """Turn a store that does not answer without MLflow into a NightbookError."""
    uri = home.registry_uri()
    try:
        yield
    except urllib.error.HTTPError as error:
        # A server that refuses is there. MLflow's client has the credentials and finds out whether it is let in.
        if error.code >= 500:
            raise _silent(uri, error) from error
    except (OSError, ValueError, sqlite3.Error) as error:
        # MLflow has its own settings for trusted certificates.
        if not isinstance(getattr(error, "reason", None), ssl.SSLError):
            raise _silent(uri, error) from error


@contextmanager
def one_line(uri: str) -> Iterator[None]:
    """Turn a store that does not answer into a NightbookError. Other errors of MLflow pass."""
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
    """MLflow's client. Each call raises a one-line error if the store does not answer."""

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
        # Errors are reported through exceptions.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    file = file_of(uri)
    if file is not None and not file.exists():
        _make(file)
    settle()
    return _Client(mlflow.MlflowClient(uri, uri), uri)


def settle() -> None:
    """Point the store in the home at the home's artifacts, if it was moved or copied. A store elsewhere is left alone.

    Raises:
        NightbookError: the artifacts are not in this home, or the store cannot be written.
    """
    uri = home.registry_uri()
    file = file_of(uri)
    if file is None or uri != home.embedded_registry_uri():
        return
    try:
        with closing(opened(file)) as store:
            store.isolation_level = None
            if not _strangers(store):
                return
            if not home.artifacts().is_dir():
                raise NightbookError(
                    f"{home.artifacts()} is missing: this home was moved or copied without it: copy the whole folder"
                    " of the home"
                )
            # One transaction. Another process may have been here first.
            store.execute("begin immediate")
            for table, column, before, there in _strangers(store):
                after = home.home().as_uri() + before.removeprefix(there)
                store.execute(f"update {table} set {column} = ? where {column} = ?", [after, before])
                # The training runs that were made there are this store's, so they are this home's.
                mark = f":{unquote(urlsplit(there).path)}"
                store.execute(
                    "update tags set value = ? where key = ? and substr(value, -length(?)) = ?",
                    [origin(), ORIGIN, mark, mark],
                )
            store.execute("commit")
    except sqlite3.Error as error:
        raise _silent(uri, error) from error


def _strangers(store: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
    """Table, column, address, and the address of the home, for each artifact that is in another home."""
    found = []
    for table, column in _LOCATIONS:
        # Stores of other versions of MLflow lack some of them.
        if not store.execute("select 1 from pragma_table_info(?) where name = ?", [table, column]).fetchone():
            continue
        like = f"file://%/{home.artifacts().name}/%"
        for (address,) in store.execute(f"select distinct {column} from {table} where {column} like ?", [like]):
            there = address.rpartition(f"/{home.artifacts().name}/")[0]
            if not moved.is_here(Path(unquote(urlsplit(there).path))):
                found.append((table, column, address, there))
    return found


def _take_token() -> None:
    """In a procedure, the store's token is a Snowflake secret, if one is configured."""
    staged = deployment.record()
    if staged is not None and staged["has_mlflow_secret"]:
        import _snowflake

        os.environ["MLFLOW_TRACKING_TOKEN"] = _snowflake.get_generic_secret_string("mlflow_token")


def _make(file: Path) -> None:
    """Create a SQLite store under another name, then rename it.

    MLflow needs two seconds and about fifty steps for it, and cannot resume if it is killed in between.
    """
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

    MLflow also writes it into the environment. There it would look like the user's choice, and another home would be
    ignored.
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


def _silent(uri: str, error: Exception) -> NightbookError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # MLflow puts the request and its retries before the cause.
    reason = reason.rpartition("(Caused by ")[2][:200]
    return NightbookError(
        f"the MLflow store {_address(uri)} does not answer: {reason}: restart it, or set MLFLOW_TRACKING_URI to"
        " another, then run this command again"
    )


def _address(uri: str) -> str:
    """The address without a user name and a password."""
    return re.sub(r"//[^/@]*@", "//", uri)
