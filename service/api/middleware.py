"""What holds for every request, whatever its route: small ASGI classes around the application."""

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import ShuttingDownError
from service.i18n import negotiated
from service.observability.logs import redacted_traceback

log = logging.getLogger(__name__)

REQUEST_ID_HEADER: Final = "X-Request-ID"
_REQUEST_ID_NAME: Final = REQUEST_ID_HEADER.lower().encode()
_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MACHINE_MADE_ID = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)

_STANDING_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)

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
        offered = Headers(scope=scope).get(REQUEST_ID_HEADER)
        # Anything else could carry line breaks or a patient's name into logs and answers.
        if offered and _SAFE_REQUEST_ID.fullmatch(offered):
            request_id, log_id = offered, log_id_of(offered)
        else:
            request_id = log_id = drawn_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["log_id"] = log_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = (_REQUEST_ID_NAME, request_id.encode())
                message["headers"] = [*message["headers"], named]
            await send(message)

        await self.app(scope, receive, send_named)


def drawn_id() -> str:
    """A request id that nobody has had: 32 hexadecimal digits."""
    return os.urandom(16).hex()


def log_id_of(request_id: str) -> str:
    """What the log calls a request: its client's id, or a digest where a person may have chosen it.

    An id that a client made up can be a patient's name or number. One that is a UUID or 32
    hexadecimal digits was drawn by a machine.
    """
    if _MACHINE_MADE_ID.fullmatch(request_id):
        return request_id
    return "sha256:" + hashlib.sha256(request_id.encode()).hexdigest()[:16]


class StandingHeaders:
    """Sets the security headers of every answer; a route may set its own instead."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                standing = (each for each in _STANDING_HEADERS if each[0] not in own)
                message["headers"] = [*message["headers"], *standing]
            await send(message)

        await self.app(scope, receive, send_guarded)


class UnforeseenErrors:
    """Turns an exception that nobody foresaw into a 500 problem and logs where it came from.

    The exception's own text stays out of the log: it may quote what the client sent. A request that
    is cancelled, because the service ends and its grace period is over, is told so. Nothing gets
    past here: the server would answer in plain text.
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
        except GeneratorExit:  # nothing may be awaited any more
            raise
        except BaseException as error:  # noqa: BLE001 - the last resort
            answer = self._answer(scope, error)
            if not started:
                await answer(scope, receive, send)

    def _answer(self, scope: Scope, error: BaseException) -> Response:
        state = scope["state"]
        if isinstance(error, asyncio.CancelledError):
            told: Exception = ShuttingDownError(
                "The service is shutting down and could not finish this request. "
                "Please send it again shortly.",
                retry_after_s=5,
            )
        else:
            log.error(
                "Unforeseen error in request %s\n%s", state["log_id"], redacted_traceback(error)
            )
            told = error if isinstance(error, Exception) else RuntimeError()
        language = negotiated(Headers(scope=scope).get("accept-language"))
        return problem_response(told, state["request_id"], language)


class CrossOrigin(CORSMiddleware):
    """Lets pages of other origins use the service, once its operator has named them.

    Args:
        origins: ``https://host`` each, or ``*`` for any.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("Authorization", "X-API-Key", REQUEST_ID_HEADER),
            expose_headers=(
                REQUEST_ID_HEADER,
                "Content-Disposition",
                "Content-Language",
                "Retry-After",
                "Server-Timing",
            ),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks first; a refusal has no body, which no page could read."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        return Response(status_code=403, headers={"Vary": "Origin"})


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
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if _announces_body(headers):
                exchange = _Exchange(headers, receive, send)
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
