"""Receivers with typical behaviour, and a warehouse made by hand."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb

SECRET = "T000-very-secret"
# How a receiver may misbehave -> what the warning then says.
MISBEHAVIOURS = {
    "hangs": "no answer within",
    "drips headers": "no answer within",
    "refuses": "refused the connection",
    "breaks off": "closed the connection",
    "answers 500": "answered 500",
    "redirects": "answered with a redirect",
    "speaks no HTTP": "the call failed",
}


@dataclass
class Receiver:
    """A webhook on this machine: messages taken, requests received, and a behaviour that a test can set."""

    port: int = 0
    behaviour: str = "takes"
    taken: list[dict] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        # Nobody listens on the port of a closed socket.
        port = self.port
        if self.behaviour == "refuses":
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                port = closed.getsockname()[1]
        return f"http://127.0.0.1:{port}/services/{SECRET}"

    @property
    def lines(self) -> list[str]:
        """Every notice that it took, without the time in front."""
        return [line[21:] for message in self.taken for line in message["text"].splitlines()[1:]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A running receiver."""
    told = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.append(self.path)
            match told.behaviour:
                case "hangs":
                    told.over.wait(30)
                case "drips headers":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    self._drip()
                case "breaks off":
                    self.connection.shutdown(socket.SHUT_RDWR)
                case "speaks no HTTP":
                    self.wfile.write(b"220 smtp.example ESMTP\r\n")
                case "answers 500":
                    self.send_error(500, SECRET)
                case "redirects":
                    self.send_response(302)
                    self.send_header("Location", f"http://127.0.0.1:{told.port}/elsewhere")
                    self.end_headers()
                case _:
                    told.taken.append(json.loads(body))
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    if told.behaviour == "drips its body":
                        self._drip()

        def do_GET(self):
            told.asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def _drip(self):
            while not told.over.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()

        def log_message(self, *arguments):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            """The client is expected to hang up when its time is over."""

    server = Server(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield told
    told.over.set()
    server.shutdown()
    server.server_close()


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass
class Warehouse:
    """A DuckDB file with the relations that are read, made by hand."""

    path: Path

    def execute(self, *statements: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)

    def run(self, run_id: str, outcome: str = "succeeded", cadence: str = "nightly", ago: float = 1, **more) -> None:
        """Add a row to the run log: a run that ended `ago` hours ago and took half an hour."""
        ended = now() - timedelta(hours=ago)
        row = {
            "run_id": run_id,
            "cadence": cadence,
            "started_at": ended - timedelta(minutes=30),
            "ended_at": ended,
            "outcome": outcome,
            "first_failure": "a_test" if outcome == "failed" else None,
            "accounts_scored": 1000,
            "applications_scored": 20,
            "rows_by_relation": (
                '{"marts.fct_account_scores":1000,"scoring.tonight_account_scores":900,'
                '"scoring.tonight_application_scores":20}'
            ),
            "pinned_versions": None,
        } | more
        with duckdb.connect(str(self.path)) as connection:
            marks = ", ".join("?" * len(row))
            connection.execute(f"insert into audit.run_log ({', '.join(row)}) values ({marks})", list(row.values()))

    def psi(self, run_id: str, as_of_date: str, **values: float) -> None:
        """Add PSI values of account_pd's inputs on a night."""
        self.execute(
            *(
                f"insert into monitoring.fct_feature_psi values ('account_pd', '{feature}', '{as_of_date}', {value}, "
                f"'{'alert' if value >= 0.25 else 'ok'}', '{run_id}')"
                for feature, value in values.items()
            )
        )

    def deadline(self, status: str, due_at: datetime, margin: float | None, ended_at: datetime | None = None) -> None:
        self.execute("delete from operations.fct_deadlines where cadence = 'nightly'")
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(
                "insert into operations.fct_deadlines values ('nightly', ?, ?, ?, ?, ?, 2700)",
                [due_at.date(), due_at, status, margin, ended_at],
            )


def timed(call) -> float:
    """Seconds that a call takes."""
    started = time.monotonic()
    call()
    return time.monotonic() - started
