"""uvicorn's HTTP/1.1 protocol with two gaps closed: slow headers, and errors in plain text."""

import asyncio
import uuid
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.errors import problem_response
from service.middleware import REQUEST_ID_HEADER
from service.refusals import MalformedRequestError
from service.stages import Journal, opened


class GuardedProtocol(H11Protocol):
    """One connection.

    uvicorn waits for ever for a request's headers; a client that sends them byte by byte would hold
    its connection for as long as it likes. And what is not even HTTP it answers in plain text.

    Attributes:
        header_seconds: Longest time from a connection, or from a request's first byte, to the end
            of the request's headers.
    """

    header_seconds: ClassVar[float] = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the first request's time."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Start or stop the time, by whether the headers are complete now."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_headers()
        else:
            self._headers_done()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._headers_done()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, unless an answer is already on its way."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            request_id = uuid.uuid4().hex
            journal = Journal(request_id)
            error = MalformedRequestError("The request is not valid HTTP and was not read.")
            with opened(journal):
                answer = problem_response(error, request_id)
            journal.answered(answer.status_code)
            headers = [
                *answer.raw_headers,
                (REQUEST_ID_HEADER.encode(), request_id.encode()),
                (b"Cache-Control", b"no-store"),
                (b"X-Content-Type-Options", b"nosniff"),
                (b"Connection", b"close"),
            ]
            start = h11.Response(status_code=answer.status_code, headers=headers)
            for event in (start, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self.on_refusal(journal)
        self.transport.close()

    @staticmethod
    def on_refusal(journal: Journal) -> None:
        """Hear of a request that was not even HTTP; for a subclass that counts them."""

    def _expect_headers(self) -> None:
        if self._header_deadline is None:
            self._header_deadline = self.loop.call_later(self.header_seconds, self.transport.close)

    def _headers_done(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None
