"""Run the Python code in statements: procedures to their end, functions batch by batch for as long as they live."""

import inspect
import json
import re
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from fakesnow.fakes import FakeSnowflakeConnection
from fakesnow.transforms import stage
from snowflake.connector.errors import ProgrammingError

from tests.rehearsal import sandbox
from tests.rehearsal.statements import Python

_ARROW = {"FLOAT": ("DOUBLE", pa.float64()), "VARCHAR": ("VARCHAR", pa.string()), "STRING": ("VARCHAR", pa.string())}
_ARROW |= dict.fromkeys(("INTEGER", "INT", "BIGINT", "NUMBER"), ("BIGINT", pa.int64()))


@dataclass
class Record:
    """What was measured of one procedure or function. Kilobytes are of resident memory."""

    name: str
    kind: str
    seconds: float = 0
    peak_kilobytes: int = 0
    # Rows that the procedure's own session fetched, per query; batches that a function got.
    rows: list[int] = field(default_factory=list)


@dataclass
class House:
    """Where the sandboxes are: one folder for the life of the server."""

    folder: Path
    address: str
    secrets: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    _workers: "_Workers" = field(default_factory=lambda: _Workers())

    def call(self, code: Python, connection: FakeSnowflakeConnection, token: str) -> tuple[str, Record]:
        """Run a procedure with its caller's session. Returns its result and the record.

        Raises:
            ProgrammingError: Snowflake's wording of a refusal, or of what the handler raised.
        """
        record = self.record(Record(code.name, "procedure"))
        started = time.monotonic()
        process = self._start(code, connection, {"kind": "procedure", "session": self._session(connection, token)})
        process.communicate()
        outcome_file = Path(process.args[-1]) / "outcome.json"
        outcome = json.loads(outcome_file.read_text()) if outcome_file.exists() else {"error": "the process died"}
        record.seconds, record.peak_kilobytes = time.monotonic() - started, outcome.get("peak_kilobytes", 0)
        if "error" in outcome:
            raise _interpreter_error(code, outcome["error"])
        return outcome["result"], record

    def create(self, code: Python, connection: FakeSnowflakeConnection) -> None:
        """Create a function that DuckDB calls batch by batch. Its process starts at the first call."""
        worker = _Worker(code, lambda: self._start(code, connection, {"kind": "function"}), self._workers)
        self._check(code, connection)
        self.record(worker.record)
        engine = connection._duck_conn
        if engine.execute("select 1 from duckdb_functions() where function_name = lower(?)", [code.name]).fetchone():
            engine.remove_function(code.name.lower())
        types = [_ARROW[name][0] for name in code.arguments]

        def call(*columns: pa.ChunkedArray) -> pa.Array:
            return worker.call(*columns)

        # DuckDB counts the arguments.
        named = [inspect.Parameter(f"x{number}", inspect.Parameter.POSITIONAL_ONLY) for number in range(len(types))]
        call.__signature__ = inspect.Signature(named)
        engine.create_function(
            code.name.lower(), call, types, _ARROW[code.returns][0], type="arrow", null_handling="special"
        )

    def record(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def end(self) -> None:
        """End every function's process. A function that is called again starts a new one."""
        self._workers.keep(0)

    def _check(self, code: Python, connection: FakeSnowflakeConnection) -> sandbox.Room:
        """The sandbox that a statement needs. Anything missing is reported when the statement is created."""
        try:
            sandbox.check_runtime(code.runtime)
            return sandbox.Room(
                site=sandbox.site_of(code.packages, self.folder / "sites"),
                imports=tuple(_staged(name, connection) for name in code.imports),
                work=self.folder / "work" / f"{code.name.lower()}-{uuid.uuid4().hex[:8]}",
                may_call_out=bool(code.integrations),
            )
        except sandbox.Refused as refusal:
            raise ProgrammingError(msg=f"SQL compilation error:\n{refusal}", errno=391546, sqlstate="42601") from None

    def _start(self, code: Python, connection: FakeSnowflakeConnection, task: dict) -> subprocess.Popen:
        secrets = {name: self.secrets.get(secret.upper(), "") for name, secret in code.secrets}
        given = {"body": code.body, "handler": code.handler, "secrets": secrets, **task}
        return self._check(code, connection).start(given, [self.address.removeprefix("http://")])

    def _session(self, connection: FakeSnowflakeConnection, token: str) -> dict:
        host, _, port = self.address.removeprefix("http://").partition(":")
        return {
            "account": "rehearsal",
            "host": host,
            "port": int(port),
            "protocol": "http",
            "session_token": token,
            "master_token": token,
            "database": connection.database,
            "schema": connection.schema,
        }


class _Worker:
    """The process of one function, from its first call until other functions need its place."""

    def __init__(self, code: Python, start: Callable[[], subprocess.Popen], workers: "_Workers"):
        self.record = Record(code.name, "function")
        self._code, self._start, self._workers = code, start, workers
        self._type = _ARROW[code.returns][1]
        self._process: subprocess.Popen | None = None
        # DuckDB calls from several threads, but the process answers one at a time.
        self._turn = threading.Lock()

    def call(self, *columns: pa.ChunkedArray) -> pa.Array:
        """Process one vector from the engine. It raises what the handler raised."""
        packed = _packed(columns)
        with self._turn:
            started = time.monotonic()
            if self._process is None:
                self._process = self._start()
            answer = self._ask(packed)
            self.record.seconds += time.monotonic() - started
        self._workers.used(self)
        self.record.peak_kilobytes = answer["peak_kilobytes"]
        if "error" in answer:
            raise _interpreter_error(self._code, answer["error"])
        self.record.rows += answer["batches"]
        return pa.array(answer["values"], self._type, from_pandas=True)

    def stop(self) -> None:
        with self._turn:
            if self._process is not None:
                # It ends when its input ends.
                self._process.communicate()
                self._process = None

    def _ask(self, packed: bytes) -> dict:
        inbox, outbox = self._process.stdin, self._process.stdout
        inbox.write(packed)
        inbox.flush()
        return json.loads(outbox.read(struct.unpack("<q", outbox.read(8))[0]))


class _Workers:
    """Functions with a process, the one used last at the end. Two scorings' worth of them are kept."""

    def __init__(self) -> None:
        self._alive: list[_Worker] = []
        self._turn = threading.Lock()

    def used(self, worker: _Worker) -> None:
        with self._turn:
            self._alive = [one for one in self._alive if one is not worker] + [worker]
        self.keep(6)

    def keep(self, count: int) -> None:
        with self._turn:
            gone, self._alive = self._alive[: len(self._alive) - count], self._alive[len(self._alive) - count :]
        for worker in gone:
            worker.stop()


def _packed(columns: Sequence[pa.ChunkedArray]) -> bytes:
    """A message as `inside.py` reads it. A null of a double is NaN."""
    told, numbers = [], []
    for column in columns:
        if pa.types.is_floating(column.type) or not column.null_count and pa.types.is_integer(column.type):
            code = "d" if pa.types.is_floating(column.type) else "q"
            numbers.append(column.to_numpy().astype(code).tobytes())
            told.append({"code": code, "bytes": len(numbers[-1])})
        else:
            told.append({"values": column.to_pylist()})
    head = json.dumps(told).encode()
    return struct.pack("<q", len(head)) + head + b"".join(numbers)


def _staged(name: str, connection: FakeSnowflakeConnection) -> Path:
    """The file behind @stage/path."""
    reference, _, path = name.removeprefix("@").partition("/")
    parts = stage.parts_from_var(reference, connection.database, connection.schema)
    file = Path(stage.internal_dir(".".join(parts), path))
    if not file.is_file():
        raise sandbox.Refused(f"the file {name}, named in IMPORTS, is not on the stage")
    return file


def _interpreter_error(code: Python, told: str) -> ProgrammingError:
    message = (
        f"Python Interpreter Error:\n{told.rstrip()}\n in function {code.name.upper()} with handler {code.handler}"
    )
    return ProgrammingError(msg=message, errno=100357, sqlstate="P0000")


def one_line(told: str) -> str:
    """The last line of a traceback, which names the exception."""
    return re.split(r"\n in function ", told)[0].strip().splitlines()[-1]
