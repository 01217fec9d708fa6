"""The front of the rehearsal server: refused logins, and statements that the account answers itself.

GET /rehearsal/changes lists the statements that changed the account since the server started. /rehearsal/tags lists the
query tags that its sessions have set.
"""

import base64
import gzip
import json
import uuid
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.rehearsal.account import Account, Refused, Session


class Front:
    """An ASGI app around another one, with its own account."""

    def __init__(self, app: ASGIApp, name: str = "rehearsal"):
        self.app, self.name, self.account = app, name.upper(), Account()
        self._sessions: dict[str, Session] = {}
        # A user's first key is registered. Another key is refused as unknown.
        self._keys: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = {"/rehearsal/changes": self.account.changes, "/rehearsal/tags": self.account.tags}.get(
            scope.get("path", "")
        )
        if told is not None:
            await _send(send, 200, told)
            return
        handle = {
            "/session/v1/login-request": self._login,
            "/queries/v1/query-request": self._query,
        }.get(scope.get("path", "") if scope["type"] == "http" else "")
        if handle is None:
            await self.app(scope, receive, send)
            return
        try:
            await handle(scope, await _body(scope, receive), send)
        except Refused as refusal:
            code = f"{refusal.errno:06d}"
            data = {"errorCode": code, "sqlState": refusal.sqlstate}
            await _send(send, 200, {"data": data, "code": code, "message": refusal.message, "success": False})

    async def _login(self, scope: Scope, body: bytes, send: Send) -> None:
        data = json.loads(body)["data"]
        # Each account has its own host name, and a server knows no other.
        if data.get("ACCOUNT_NAME", self.name).upper() != self.name:
            await _send(send, 404, {"message": "Not Found"})
            return
        chosen = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        self._check_key(data)
        if data.get("AUTHENTICATOR") == "OAUTH" and data.get("TOKEN") == "expired":
            raise Refused(390318, "08004", f"OAuth access token expired. [{uuid.uuid4()}]")
        self.account.check_role(chosen.get("roleName"))
        session = Session(
            (chosen.get("roleName") or "PUBLIC").upper(),
            (chosen.get("warehouse") or "").upper() or None,
            (data.get("SESSION_PARAMETERS") or {}).get("QUERY_TAG", ""),
            data.get("LOGIN_NAME", "").upper(),
            {"ALL": "ALL", "NONE": ""}.get(data.get("SECONDARY_ROLES", "")),
        )

        def opened(answer: bytes) -> None:
            self._sessions[json.loads(answer)["data"]["token"]] = session

        await self._forward(scope, body, send, opened)

    def _check_key(self, data: dict) -> None:
        if data.get("AUTHENTICATOR") != "SNOWFLAKE_JWT":
            return
        payload = data["TOKEN"].split(".")[1]
        issuer = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"]
        user, _, fingerprint = issuer.partition(".SHA256:")
        if self._keys.setdefault(user, fingerprint) != fingerprint:
            raise Refused(390144, "08004", f"JWT token is invalid. [{uuid.uuid4()}]")

    async def _query(self, scope: Scope, body: bytes, send: Send) -> None:
        headers = dict(scope["headers"])
        token = headers.get(b"authorization", b"").decode().partition('Token="')[2].rstrip('"')
        statement = json.loads(body)
        # A procedure's session is its caller's under another name.
        session = self._sessions.setdefault(token.partition("~")[0], Session())
        instead = self.account.answer(statement["sqlText"], session)
        if instead is not None:
            body = json.dumps(statement | {"sqlText": instead}).encode()
        await self._forward(scope, body, send)

    async def _forward(
        self, scope: Scope, body: bytes, send: Send, seen: Callable[[bytes], None] | None = None
    ) -> None:
        dropped = (b"content-encoding", b"content-length")
        headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
        headers.append((b"content-length", str(len(body)).encode()))
        parts: list[bytes] = []

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def watched(message: Message) -> None:
            if seen is not None and message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    seen(b"".join(parts))
            await send(message)

        await self.app({**scope, "headers": headers}, again, watched)


async def _body(scope: Scope, receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    return gzip.decompress(body) if dict(scope["headers"]).get(b"content-encoding") == b"gzip" else body


async def _send(send: Send, status: int, content: dict | list) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
