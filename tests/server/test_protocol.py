import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from service.api.uploads import BODY_IS_HERE
from service.server.protocol import GuardedProtocol

pytestmark = pytest.mark.anyio

PIECE = 100_000
"""More than uvicorn keeps of a body without stopping the client."""


class Connection(asyncio.Transport):
    """A connection that counts how often its reading is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.writes = 0
        self.stops = 0
        self.reading = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)
        self.writes += 1

    def pause_reading(self) -> None:
        assert self.reading
        self.stops += 1
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


class Reader:
    """An application that reads a whole body as soon as it may, and says how long it was."""

    def __init__(self) -> None:
        self.may = asyncio.Event()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await self.may.wait()
        length, more = 0, True
        while more:
            message: Message = await receive()
            length, more = length + len(message["body"]), message["more_body"]
        body = b"%d\n" % length
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def connected(app: Any) -> tuple[Connection, Callable[[bytes], None]]:
    config = uvicorn.Config(app, http=GuardedProtocol, ws="none", lifespan="off")
    config.load()
    protocol = GuardedProtocol(config, ServerState(), {})
    connection = Connection()
    protocol.connection_made(connection)
    return connection, protocol.data_received


def request(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the connection has no event
            await asyncio.sleep(0)


async def test_a_client_that_sent_all_in_one_piece_is_not_stopped() -> None:
    app = Reader()
    connection, receive = connected(app)
    app.may.set()
    for _ in range(2):
        connection.sent = b""
        receive(request(PIECE) + bytes(PIECE))
        await until(lambda: connection.sent.endswith(b"\n"))
        assert connection.sent.endswith(b"100000\n")
    assert connection.stops == 0


async def test_a_client_that_is_ahead_is_stopped_until_what_came_is_read() -> None:
    app = Reader()
    connection, receive = connected(app)
    receive(request(2 * PIECE) + bytes(PIECE))
    assert not connection.reading
    app.may.set()
    await until(lambda: connection.reading)
    receive(bytes(PIECE))
    await until(lambda: connection.sent.endswith(b"\n"))
    assert connection.sent.endswith(b"200000\n")
    assert connection.stops == 1


async def test_a_client_that_sends_requests_ahead_is_stopped_until_its_first_is_read() -> None:
    app = Reader()
    connection, receive = connected(app)
    receive(request(PIECE) + bytes(PIECE) + request(1) + bytes(1))
    assert not connection.reading
    app.may.set()
    await until(lambda: connection.sent.endswith(b"\n1\n"))
    assert b"100000\n" in connection.sent
    assert connection.reading


async def test_the_head_of_an_answer_is_sent_with_its_body() -> None:
    app = Reader()
    connection, receive = connected(app)
    app.may.set()
    for number in range(1, 3):
        receive(request(1) + b"x")
        await until(lambda: connection.sent.endswith(b"\n1\n"))
        assert connection.writes == number
        assert connection.sent.startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sent = b""


async def test_the_head_of_an_answer_without_a_body_does_not_wait() -> None:
    app = Reader()
    connection, receive = connected(app)
    app.may.set()
    receive(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: connection.sent.endswith(b"\r\n\r\n"))
    assert b"content-length: 2" in connection.sent


async def test_who_waits_to_be_told_to_continue_is_told_at_once() -> None:
    app = Reader()
    connection, receive = connected(app)
    app.may.set()
    receive(request(1)[:-2] + b"Expect: 100-continue\r\n\r\n")
    await until(lambda: connection.writes == 1)
    assert connection.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    receive(b"x")
    await until(lambda: connection.sent.endswith(b"\n1\n"))
    assert connection.writes == 2


async def test_pieces_of_a_body_are_sent_as_they_come_and_the_head_with_the_first() -> None:
    go_on = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await go_on.wait()
        await send({"type": "http.response.body", "body": b""})

    connection, receive = connected(app)
    receive(request(0))
    await until(lambda: connection.writes == 1)
    assert connection.sent.endswith(b"\r\n\r\n3\r\none\r\n")
    go_on.set()
    await until(lambda: connection.sent.endswith(b"3\r\ntwo\r\n0\r\n\r\n"))


async def test_an_answer_that_breaks_off_after_its_head_is_ended() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise RuntimeError

    connection, receive = connected(app)
    receive(request(0))
    await until(lambda: connection.closed)
    assert connection.sent.endswith(b"content-length: 5\r\n\r\n")
    assert connection.writes == 1


async def test_an_application_is_told_before_it_waits_which_bodies_are_here() -> None:
    seen: list[tuple[str, bool]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            here = BODY_IS_HERE in scope["state"]
            message = await receive()
            seen.append((scope["path"], here))
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def asking(path: bytes) -> bytes:
        return request(4).replace(b"POST /", b"POST /" + path)

    connection, receive = connected(app)
    receive(asking(b"whole") + b"body" + asking(b"ahead") + b"bo")
    await until(lambda: len(seen) == 2)
    receive(b"dy")
    await until(lambda: connection.writes == 2)
    assert seen == [("/whole", True), ("/ahead", False), ("/ahead", False)]
