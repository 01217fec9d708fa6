"""Snowflake for a rehearsal: fakesnow's server, and what it lacks to run a project with Python in it.

Start it from the project's root with `python -m tests.rehearsal.server --port 8084 --folder DIR`. It speaks Snowflake's
protocol over http; GET /rehearsal/records tells what ran, and how many rows it held.
"""

import argparse
import asyncio
import gzip
import json
import secrets
import tempfile
from dataclasses import asdict
from pathlib import Path

import fakesnow.server as fake
import uvicorn
from fakesnow.instance import FakeSnow
from fakesnow.transforms import stage
from snowflake.connector.errors import ProgrammingError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.rehearsal import chunks, corrections, emulation, statements, transactions
from tests.rehearsal.front import Front
from tests.rehearsal.python_code import House, Record

# Tokens of procedures' sessions -> their records.
_procedures: dict[str, Record] = {}
_house: House
_running: dict[str, asyncio.Task] = {}
# The connector repeats a request after a minute.
_PATIENCE_SECONDS = 30


async def query(request: Request) -> JSONResponse:
    """Run one statement. The client waits at most a minute, so before that it is told where to ask again."""
    await request.body()
    return await _waited_for(asyncio.create_task(_answer(request)), secrets.token_hex(16))


async def result(request: Request) -> JSONResponse:
    """The answer to a statement that took longer than the client waits."""
    name = request.path_params["name"]
    return await _waited_for(_running.pop(name), name)


async def _waited_for(task: asyncio.Task, name: str) -> JSONResponse:
    done, _ = await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
    if done:
        return task.result()
    _running[name] = task
    data = {"getResultUrl": f"/queries/{name}/result", "queryId": name}
    return JSONResponse({"data": data, "code": "333333", "message": "Query in progress", "success": True})


async def _answer(request: Request) -> JSONResponse:
    """The result of a statement. Statements with Python run in separate processes, blocks statement by statement."""
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    sql = json.loads(body)["sqlText"]
    token = fake.to_token(request)
    try:
        procedure, function, block = statements.procedure(sql), statements.function(sql), statements.block(sql)
    except ProgrammingError as error:
        return _refusal(error)
    if procedure is None and function is None and block is None:
        response = await fake.query_request(request)
        response = chunks.divided(response, _house.address)
        if token in _procedures:
            _procedures[token].rows.append(_rows(response))
        return response
    connection = fake.sessions.get(token)
    if connection is None:
        return await fake.query_request(request)
    try:
        if function is not None:
            await run_in_threadpool(_house.create, function, connection)
            return _text("status", f"Function {function.name.upper()} successfully created.")
        if block is not None:
            await run_in_threadpool(transactions.run, block, connection)
            return _text("anonymous block", None)
        given = await run_in_threadpool(_call, procedure, connection, token)
        return _text(procedure.name.upper(), given)
    except ProgrammingError as error:
        return _refusal(error)
    except Exception as error:
        # Without an answer, the client would repeat the request and start its statement each time.
        return _refusal(ProgrammingError(msg=f"{type(error).__name__}: {error}", errno=370001, sqlstate="XX000"))


def _refusal(error: ProgrammingError) -> JSONResponse:
    code, message = f"{error.errno:06d}", error.raw_msg
    data = {"errorCode": code, "sqlState": error.sqlstate}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


def _call(procedure: statements.Python, connection, caller: str) -> str:
    # The caller's session under another name: the procedure shares its temporary tables and its transaction.
    token = f"{caller}~{secrets.token_urlsafe(8)}"
    fake.sessions[token] = connection
    record = _procedures.setdefault(token, Record(procedure.name, "session"))
    try:
        with transactions.scope(connection):
            result, seen = _house.call(procedure, connection, token)
        seen.rows = record.rows
        return result
    finally:
        fake.sessions.pop(token, None)


def _rows(response: JSONResponse) -> int:
    data = json.loads(response.body).get("data") or {}
    return data.get("total", 0) or 0


def _text(name: str, value: str | None) -> JSONResponse:
    """An answer of one row and one text column."""
    column = {"name": name, "type": "text", "length": 16777216, "byteLength": 16777216, "nullable": True}
    column |= {"database": "", "schema": "", "table": "", "precision": None, "scale": None, "collation": None}
    data = {
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
        "rowtype": [column],
        "queryResultFormat": "json",
        "rowset": [[value]],
        "total": 1,
        "queryId": secrets.token_hex(16),
        "statementTypeId": 4096,
    }
    return JSONResponse({"data": data, "success": True})


async def session(request: Request) -> JSONResponse:
    """A session that ends rolls back its transaction and ends the functions' processes. Those of others start again."""
    if request.query_params.get("delete"):
        if connection := fake.sessions.get(fake.to_token(request)):
            await run_in_threadpool(transactions.roll_back, connection)
        await run_in_threadpool(_house.end)
    return await fake.session(request)


def records(request: Request) -> JSONResponse:
    """What ran since the server started, or since the last DELETE request."""
    seen = [asdict(record) for record in _house.records]
    if request.method == "DELETE":
        _house.records.clear()
    return JSONResponse(seen)


def app(folder: Path, address: str, secret_values: dict[str, str] | None = None) -> Starlette:
    """The server. Databases, stages and sandboxes are in the folder."""
    global _house
    for name in ("databases", "stages", "sites"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    stage.LOCAL_BUCKET_PATH = str((folder / "stages").resolve())
    fake.shared_fs = FakeSnow(db_path=folder / "databases")
    _house = House(folder.resolve(), address, secret_values or {})
    corrections.apply()
    emulation.install()
    transactions.install()
    ours = [
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/queries/{name}/result", result, methods=["GET"]),
        Route("/session", session, methods=["POST"]),
        Route("/rehearsal/chunks/{name}", chunks.serve),
        Route("/rehearsal/records", records, methods=["GET", "DELETE"]),
    ]
    return Starlette(routes=ours + fake.routes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, help="where databases and stages lie (a new temporary folder)")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="nightbook-rehearsal-"))
    served = Front(app(folder, f"http://127.0.0.1:{given.port}"))
    asyncio.run(uvicorn.Server(uvicorn.Config(served, port=given.port, log_level="warning")).serve())


if __name__ == "__main__":
    main()
