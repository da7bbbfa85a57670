from collections.abc import Sequence

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from service.api import lingering
from service.api.lingering import LingeringCloseMiddleware

pytestmark = pytest.mark.anyio


class TestLingeringClose:
    """A client that goes on sending while the answer is there already."""

    async def exchange(
        self, headers: Sequence[tuple[bytes, bytes]], pieces: int, *, reads: int = 0
    ) -> tuple[list[Message], int]:
        left = pieces

        async def receive() -> Message:
            nonlocal left
            left -= 1
            return {"type": "http.request", "body": b"x", "more_body": left > 0}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            for _ in range(reads):
                await receive()
            await PlainTextResponse("refused", 413)(scope, receive, send)

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append({**message, "left": left})

        await LingeringCloseMiddleware(app)(
            {"type": "http", "headers": list(headers)}, receive, send
        )
        return sent, left

    async def test_the_whole_answer_goes_out_before_the_rest_is_read(self) -> None:
        sent, left = await self.exchange([(b"content-length", b"9")], 9, reads=2)
        start, body, end = sent
        assert (b"connection", b"close") in start["headers"]
        assert (body["body"], body["more_body"], body["left"]) == (b"refused", True, 7)
        assert (end["body"], end["more_body"], end["left"]) == (b"", False, 0)
        assert left == 0

    async def test_a_body_without_declared_length_counts_too(self) -> None:
        _, left = await self.exchange([(b"transfer-encoding", b"chunked")], 9)
        assert left == 0

    async def test_nothing_changes_once_the_body_was_read(self) -> None:
        sent, _ = await self.exchange([(b"content-length", b"2")], 2, reads=2)
        assert [message["type"] for message in sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert (b"connection", b"close") not in sent[0]["headers"]

    @pytest.mark.parametrize("headers", [[], [(b"content-length", b"0")]])
    async def test_nothing_changes_without_a_body(self, headers: list[tuple[bytes, bytes]]) -> None:
        sent, left = await self.exchange(headers, 5)
        assert len(sent) == 2
        assert left == 5

    async def test_a_client_that_waits_to_be_asked_is_not_asked(self) -> None:
        headers = [(b"content-length", b"9"), (b"expect", b"100-continue")]
        sent, left = await self.exchange(headers, 9)
        assert left == 9
        assert (b"connection", b"close") in sent[0]["headers"]

    async def test_a_body_without_end_is_not_read_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.0)
        sent, left = await self.exchange([(b"content-length", b"9")], 10**9)
        assert left > 0
        assert sent[-1]["more_body"] is False
