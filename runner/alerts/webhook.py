"""Send one message to a webhook within a time limit, whatever the receiver does.

The address is a secret, because whoever has it can post to the channel. No error from here holds any part of it, nor a
library's own error text, which may hold it.
"""

import http.client
import ipaddress
import json
import queue
import socket
import ssl
import threading
import urllib.error
import urllib.request
from urllib.parse import urlsplit

VARIABLE = "NIGHTBOOK_WEBHOOK_URL"


class Undelivered(Exception):
    """The receiver is not known to have accepted a message. The text says why, without the address."""


def post(address: str, message: dict, seconds: float) -> None:
    """Send a message as JSON, in one attempt. Redirects are not followed; certificates are verified.

    Args:
        address: https, or http to this machine.
        message: what json can write, such as `{"text": ...}`.
        seconds: time limit for the whole exchange, name resolution and a slow answer included.

    Raises:
        Undelivered: no answer of 200 to 299 came in time. The receiver may have accepted the message all the same.
    """
    request, is_local = _request(address.strip(), message)
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # A socket's timeout restarts with each byte, and name resolution has none. A thread can be abandoned instead.
    threading.Thread(target=lambda: answers.put(_exchange(request, is_local, seconds)), daemon=True).start()
    try:
        reason = answers.get(timeout=seconds)
    except queue.Empty:
        reason = _no_answer(seconds)
    if reason:
        raise Undelivered(reason)


def _request(address: str, message: dict) -> tuple[urllib.request.Request, bool]:
    body = json.dumps(message).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "nightbook"}
    try:
        parts = urlsplit(address)
        is_local = _is_loopback(parts.hostname or "")
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
            raise ValueError
        return urllib.request.Request(address, data=body, headers=headers, method="POST"), is_local
    except ValueError:
        raise Undelivered(f"{VARIABLE} must be an https address, or http to this machine") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _exchange(request: urllib.request.Request, is_local: bool, seconds: float) -> str | None:
    """None if the receiver accepted the message, else the reason."""
    try:
        # Only the status counts. The body is not read, so a slow one costs no time.
        _opener(is_local).open(request, timeout=seconds).close()
    except urllib.error.HTTPError as error:
        error.close()
        if 300 <= error.code < 400:
            return f"it answered with a redirect ({error.code}), which is not followed"
        return f"it answered {error.code}"
    except Exception as error:
        return _why(error, seconds)
    return None


def _opener(is_local: bool) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS only: no files and no redirects. The environment's proxy is used, except for this machine."""
    opener = urllib.request.OpenerDirector()
    handlers = [
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ]
    for handler in handlers if is_local else [urllib.request.ProxyHandler(), *handlers]:
        opener.add_handler(handler)
    return opener


def _why(error: Exception, seconds: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    match cause:
        case TimeoutError():
            return _no_answer(seconds)
        case ConnectionRefusedError():
            return "it refused the connection"
        case ConnectionError() | http.client.RemoteDisconnected():
            return "it closed the connection"
        case ssl.SSLCertVerificationError():
            return "its certificate could not be verified"
        case ssl.SSLError():
            return "no encrypted connection could be made"
        case socket.gaierror():
            return "its name could not be resolved"
        case http.client.InvalidURL() | UnicodeError():
            return f"{VARIABLE} is not a valid address"
        case _:
            return f"the call failed ({type(cause).__name__})"


def _no_answer(seconds: float) -> str:
    return f"no answer within {seconds:.1g} s"
