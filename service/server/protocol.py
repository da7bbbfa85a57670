"""uvicorn's h11 protocol with a deadline for request headers and problem+json for its errors."""

import asyncio
import sys
from typing import ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from service.errors import HeadersTooLargeError, MalformedRequestError, ServiceError

PROBE_SECONDS: Final = 2.0
"""After how long a client that has closed its sending side, and has had no answer yet, is asked
whether it still reads. Most that do so have left altogether."""

_FOLDED: Final = "continuation line at start of headers"
"""How h11 says that there is nothing which the first line could continue."""


class GuardedProtocol(H11Protocol):
    """One connection.

    uvicorn waits forever for a request's headers, so that a client that sends them byte by byte
    could hold its connection as long as it likes, and it answers invalid requests in plain text.

    Attributes:
        header_seconds: Longest time from a connection, or from a request's first byte, to the end
            of the request's headers.
        linger_seconds: How long a refused client may go on sending before the connection closes.
    """

    header_seconds: ClassVar[float]
    linger_seconds: ClassVar[float]

    _deadline: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline of the first request."""
        super().connection_made(transport)
        self._update_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data; what a refused client still sends is discarded."""
        if not self._refused:
            super().data_received(data)
            self._update_deadline()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a half-closed connection open for a while if its request is complete."""
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        if self._refused or cycle is None or cycle.more_body or cycle.response_complete:
            return False
        cycle.keep_alive = False
        self.loop.call_later(PROBE_SECONDS, self._probe, cycle)
        return True

    def _probe(self, cycle: RequestResponseCycle) -> None:
        """Write to a half-closed connection: the system of a client that has left resets it."""
        if self.cycle is not cycle or cycle.disconnected or cycle.response_started:
            return
        if cycle.scope["http_version"] != "1.1":  # which knows no answer before the answer
            self.transport.close()
            return
        processing = h11.InformationalResponse(status_code=102, headers=[], reason="Processing")
        self.transport.write(self.conn.send(processing) or b"")

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request, unless its answer has started; then close the connection.

        The close is delayed: unread bytes would reset the connection, and the client might never
        see the answer.
        """
        self._refused = True
        self._cancel_deadline()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None:  # the request whose body is invalid ends as if its client had left
            cycle.disconnected = True
            cycle.message_event.set()
        response, body = self.respond(_error_of(sys.exception()))
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(self.linger_seconds, self.transport.close)

    def respond(self, error: ServiceError) -> tuple[h11.Response, bytes]:
        """Make the answer to an invalid request: its head and its body."""
        raise NotImplementedError

    def _update_deadline(self) -> None:
        """Run the deadline exactly while headers are awaited."""
        if self._refused or self.conn.their_state is not h11.IDLE:
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self.transport.close)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _error_of(error: BaseException | None) -> ServiceError:
    if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
        return HeadersTooLargeError("The headers of the request are too large.")
    if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 501:
        return MalformedRequestError(
            "The body of the request is compressed (Transfer-Encoding). Please send it as it is.",
            reason="compressed",
        )
    if str(error).startswith(_FOLDED):
        return MalformedRequestError(
            "The first header line begins with a space, as only the continuation of another may. "
            "Please send each header on one line.",
            reason="folded",
        )
    return MalformedRequestError("The request is not valid HTTP and was not read.")
