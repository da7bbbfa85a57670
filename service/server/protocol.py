"""uvicorn's HTTP/1.1 protocol with its gaps closed: slow or endless heads, errors in plain text.

The parser is httptools, which is Node's: that of h11 is written in Python and costs a third of a
millisecond of every request, its code cold after each inference.
"""

import asyncio
from typing import Any, ClassVar, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from service.api.middleware import LINGER_IDLE_SECONDS, REQUEST_ID_HEADER, drawn_id
from service.api.problems import problem_response
from service.api.uploads import BODY_IS_HERE
from service.errors import MalformedRequestError
from service.observability.record import RequestRecord, recording

MAX_PENDING_BYTES: Final = 16 * 1024
"""What may arrive without an end to it: of a request's head, of a chunk's, of the trailers."""

MAX_SENT_AHEAD: Final = 16
"""Requests that a client may send on one connection before the one in work is answered."""


class NotHTTPError(Exception):
    """A request that parses breaks a rule of RFC 9112 all the same, or a bound of this service."""


class UnhurriedFlow(FlowControl):
    """Stops reading from a client that is ahead, when what came of it has been looked through.

    uvicorn stops in the middle of that, and reads on as soon as the body is taken: for each
    radiograph that comes in one piece, after which there is nothing to be stopped.

    Args:
        transport: The connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._ahead = False

    def pause_reading(self) -> None:
        """Take note that the client is ahead."""
        self._ahead = True

    def resume_reading(self) -> None:
        """Read on."""
        self._ahead = False
        super().resume_reading()

    def settle(self, *, more: bool) -> None:
        """Stop reading if the client is ahead and there is more of what it must wait for."""
        if self._ahead and more:
            super().pause_reading()
        self._ahead = False


class JoinedHead:
    """What one answer is written to: its head waits for the first piece of its body.

    ASGI wants it so, and it is one system call and one packet less. uvicorn writes them one by one.

    Args:
        transport: The connection.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None  # empty when it was sent

    def write(self, data: bytes) -> None:
        """Send a piece of the answer, or keep it if it is the head."""
        if self._head is None and not data.startswith(b"HTTP/1.1 100 "):
            self._head = data
            return
        if self._head:
            data = self._head + data
            self._head = b""
        self._transport.write(data)

    def close(self) -> None:
        """End the connection after what was written."""
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is at its end."""
        return self._transport.is_closing()


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    uvicorn waits for ever for a request's head; a client that sends it byte by byte would hold its
    connection for as long as it likes. It keeps what it is sent of a head or of trailers however
    long they get, and as many requests as are sent ahead. It takes trailers for headers, and loses
    the body of a request that offers to speak HTTP/2 from there on, as clients in Java do. And what
    is not even HTTP it answers in plain text, before the answers to what came earlier.

    Attributes:
        header_seconds: Longest time from a connection, or from a request's first byte, to the end
            of the request's head.
    """

    header_seconds: ClassVar[float] = 10.0
    flow: UnhurriedFlow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_deadline: asyncio.TimerHandle | None = None
        self._in_head = True  # the next head, of which nothing may have come yet
        self._pending_bytes = 0
        self._got_on = False  # whether what is being parsed completed something
        self._unanswered = 0  # requests that came in, the one in work and those sent ahead
        self._offered = False  # whether the head that was read offers another protocol
        self._spoilt = False  # what still comes cannot be made sense of

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the first request's time."""
        super().connection_made(transport)
        self.flow = UnhurriedFlow(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._head_done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what has no end; start or stop the time, by whether a head is waited for now."""
        if not self._spoilt:
            self._parse(data)
            self.flow.settle(more=bool(self.pipeline) or self._is_body_to_come())
            self._time_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers come here as well, and are read over."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Let a request in, unless it breaks a rule that the parser does not know."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise NotHTTPError
        if self._unanswered > MAX_SENT_AHEAD:
            raise NotHTTPError
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise NotHTTPError
            self._offered = True
            return
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # whose answer has no body that its head could wait for
            self.cycle.transport = JoinedHead(self.transport)  # type: ignore[assignment]
        self._unanswered += 1
        self._in_head = False
        self._got_on = True

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ends; from here on the next one's head is read."""
        if self._offered:
            return
        super().on_message_complete()
        self.scope["state"][BODY_IS_HERE] = True
        self._in_head = True
        self._got_on = True

    def on_response_complete(self) -> None:
        """Begin with what was sent ahead, or end a connection from which nothing more can come."""
        self._unanswered -= 1
        super().on_response_complete()
        if self._spoilt and not self._unanswered:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, after what came before it and unless its answer has begun."""
        self._spoilt = True
        if not self._unanswered:
            self._refuse()
        elif not self.cycle.more_body:  # that request is whole: what comes after it is not
            self.cycle.keep_alive = False
        elif self.pipeline:  # that request was sent ahead and breaks off
            self.pipeline.popleft()
            self._unanswered -= 1
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse()

    def _is_body_to_come(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and cycle.more_body

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._got_on = False
        try:
            self._feed(data)
        except HttpParserError:
            self.send_400_response("")
            return
        self._pending_bytes = 0 if self._got_on else self._pending_bytes + len(data)
        if self._pending_bytes > MAX_PENDING_BYTES:
            self.send_400_response("")

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as offer:
                # The parser takes what follows for the other protocol's. As RFC 9110 has it,
                # whoever does not take such an offer goes on as if it had not been made.
                self._offered = False
                data = self._head_without_offer() + data[offer.args[0] :]
                # Anew: after "Connection: close" the old one would read nothing more.
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            else:
                return

    def _head_without_offer(self) -> bytes:
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        version = self.parser.get_http_version().encode()
        start = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
        return b"".join((start, *lines, b"\r\n"))

    def _time_head(self) -> None:
        if self._in_head and not self._spoilt and not self._unanswered:
            self._expect_head()
        else:
            self._head_done()

    def _refuse(self) -> None:
        request_id = drawn_id()
        record = RequestRecord(request_id)
        error = MalformedRequestError("The request is not valid HTTP and was not read.")
        with recording(record):
            answer = problem_response(error, request_id)
        record.response_started(answer.status_code)
        headers = [
            *answer.raw_headers,
            (REQUEST_ID_HEADER.encode(), request_id.encode()),
            (b"Cache-Control", b"no-store"),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Connection", b"close"),
        ]
        lines = [b"%s: %s\r\n" % header for header in headers]
        head = b"".join((STATUS_LINE[answer.status_code], *lines, b"\r\n"))
        self.transport.write(head + bytes(answer.body))
        self.on_refusal(record)
        self._let_it_be_read()

    def _let_it_be_read(self) -> None:
        """Say no more, and end the connection when the client does, or soon.

        Closing it with bytes unread would reset it, and the reset may overtake the answer.
        """
        if self._unanswered:  # for whoever is still at work on that request the client has gone
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER_IDLE_SECONDS, self.transport.close)

    @staticmethod
    def on_refusal(record: RequestRecord) -> None:
        """Hear of a request that was not even HTTP; for a subclass that counts them."""

    def _expect_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.header_seconds, self.transport.close)

    def _head_done(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
