"""Large results in chunks, as Snowflake sends them: the first with the answer, the others to be fetched one by one."""

import base64
import json
import secrets

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

CHUNK_ROWS = 16_384
_waiting: dict[str, bytes] = {}


def divided(response: JSONResponse, address: str) -> JSONResponse:
    """The answer with only its first rows. The rest is left to be fetched."""
    if len(response.body) < 100_000:
        return response
    answer = json.loads(response.body)
    data = answer.get("data") or {}
    if data.get("queryResultFormat") != "arrow" or data["total"] <= CHUNK_ROWS:
        return response
    rows = pa.ipc.open_stream(base64.b64decode(data["rowsetBase64"])).read_all()
    pieces = [rows.slice(start, CHUNK_ROWS) for start in range(0, rows.num_rows, CHUNK_ROWS)]
    data["rowsetBase64"] = base64.b64encode(_packed(pieces[0])).decode()
    data["chunks"] = []
    for piece in pieces[1:]:
        name, packed = secrets.token_urlsafe(16), _packed(piece)
        _waiting[name] = packed
        sizes = {"uncompressedSize": len(packed), "compressedSize": len(packed)}
        data["chunks"].append({"url": f"{address}/rehearsal/chunks/{name}", "rowCount": piece.num_rows, **sizes})
    return JSONResponse(answer)


def serve(request: Request) -> Response:
    """One chunk, once."""
    packed = _waiting.pop(request.path_params["name"], None)
    return Response(packed) if packed is not None else Response(status_code=404)


def _packed(piece: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, piece.schema) as writer:
        writer.write_table(piece.combine_chunks())
    return sink.getvalue().to_pybytes()
