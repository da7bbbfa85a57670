"""What holds for every request, whatever its route: small ASGI classes around the application."""

import asyncio
import logging
import re
import traceback
import uuid
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import problem_response

log = logging.getLogger(__name__)

REQUEST_ID_HEADER: Final = "X-Request-ID"
_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_STANDING_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

LINGER_SECONDS: Final = 10.0
LINGER_IDLE_SECONDS: Final = 2.0


class RequestId:
    """Names each request, by its own X-Request-ID if that is harmless, and tells the client."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        # Anything else could carry line breaks or a patient's name into logs and answers.
        request_id = offered if _SAFE_REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        await self.app(scope, receive, send_named)


class StandingHeaders:
    """Sets the security headers of every answer; a route may set its own instead."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _STANDING_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_guarded)


class UnforeseenErrors:
    """Turns an exception that nobody foresaw into a 500 problem and logs where it came from.

    The exception's own text stays out of the log: it may quote what the client sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_watched)
        except Exception as error:  # noqa: BLE001 - the last resort
            request_id = scope["state"]["request_id"]
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error("%s in request %s\n%s", type(error).__qualname__, request_id, frames)
            if not started:
                await problem_response(error, request_id)(scope, receive, send)


class HeadAsGet:
    """Answers HEAD as GET; the server leaves the body out. Monitors and load balancers ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)


class LingeringClose:
    """Lets a client that is still sending read the answer to its refused upload.

    Closing a connection with unread bytes resets it, and the reset may overtake the answer. So the
    whole answer is sent, what still comes is thrown away for a bounded time, and only then is the
    connection closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] == "http" and _announces_body(Headers(scope=scope)):
            exchange = _Exchange(Headers(scope=scope), receive, send)
            receive, send = exchange.receive, exchange.send
        await self.app(scope, receive, send)


class _Exchange:
    """One request with a body, and its answer."""

    def __init__(self, headers: Headers, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._body_left = True
        # A client that waits for "100 Continue" has sent nothing until it is asked to.
        self._may_be_sending = "expect" not in headers

    async def receive(self) -> Message:
        """Pass on what the client sends, and note when that is all."""
        self._may_be_sending = True
        message = await self._receive()
        self._body_left = self._body_left and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on, but while the client may be sending hold its very end back."""
        if not self._body_left:
            await self._send(message)
        elif message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
            await self._send(message)
        elif message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            if self._may_be_sending:
                await self._read_on()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _read_on(self) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + LINGER_SECONDS
        try:
            while self._body_left and clock() < end:
                async with asyncio.timeout_at(min(end, clock() + LINGER_IDLE_SECONDS)):
                    await self.receive()
        except TimeoutError:
            pass  # it was given time enough


def _announces_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
