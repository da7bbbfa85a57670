"""Closes connections gently: a client that is refused while it sends can read why."""

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS: Final = 10.0
LINGER_IDLE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class LingeringCloseMiddleware:
    """Lets a client that is still sending read the answer to its refused upload.

    Closing a connection with unread bytes resets it, and the reset may overtake the answer. So the
    whole answer is sent, what still comes is thrown away for a bounded time, and only then is the
    connection closed.
    """

    app: ASGIApp

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
