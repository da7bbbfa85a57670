import asyncio
import logging
import re
from hashlib import sha256
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.middleware import (
    HeadAsGetMiddleware,
    RequestIdMiddleware,
    SecurityHeadersMiddleware,
    UnexpectedErrorMiddleware,
    log_id_of,
)
from tests.serving import assert_problem

pytestmark = pytest.mark.anyio


async def ask(app: ASGIApp, method: str = "GET", **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.request(method, "/", **options)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(scope.get("state", {}).get("request_id", ""))(scope, receive, send)


class TestRequestId:
    async def test_a_harmless_name_of_the_client_is_kept(self) -> None:
        answer = await ask(RequestIdMiddleware(hello), headers={"X-Request-ID": "ward-3.scan_17"})
        assert answer.headers["x-request-id"] == answer.text == "ward-3.scan_17"

    @pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "José", "a\tb", "<script>", "a/b"])
    async def test_any_other_name_is_replaced(self, offered: str) -> None:
        answer = await ask(RequestIdMiddleware(hello), headers={"X-Request-ID": offered.encode()})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.text == answer.headers["x-request-id"]

    async def test_each_request_without_a_name_gets_a_new_one(self) -> None:
        app = RequestIdMiddleware(hello)
        assert (await ask(app)).text != (await ask(app)).text

    @pytest.mark.parametrize(
        "offered", ["0f8fad5b-d9cb-469f-a165-70867728950e", "5F2B8A0C9D3E4F61A7B8C9D0E1F20314"]
    )
    def test_the_log_keeps_a_name_that_a_machine_drew(self, offered: str) -> None:
        assert log_id_of(offered) == offered

    @pytest.mark.parametrize("offered", ["Jane-Doe", "1950-01-02", "12345678", "ward-3.scan_17"])
    def test_the_log_has_a_digest_for_a_name_that_may_be_a_patients(self, offered: str) -> None:
        assert log_id_of(offered) == f"sha256:{sha256(offered.encode()).hexdigest()[:16]}"


class TestSecurityHeadersMiddleware:
    async def test_every_answer_carries_them(self) -> None:
        headers = (await ask(SecurityHeadersMiddleware(hello))).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]

    async def test_a_route_may_set_its_own(self) -> None:
        app = SecurityHeadersMiddleware(
            PlainTextResponse("", headers={"Content-Security-Policy": "mine"})
        )
        assert (await ask(app)).headers["content-security-policy"] == "mine"


class TestUnexpectedErrorMiddleware:
    async def test_a_bug_becomes_a_problem_and_its_text_is_shown_nowhere(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        quoted = "patient Jane Doe"  # the log shows lines of the source, but no values

        async def broken(*_: object) -> None:
            raise RuntimeError(quoted)

        with caplog.at_level(logging.DEBUG):
            answer = await ask(RequestIdMiddleware(UnexpectedErrorMiddleware(broken)))
        body = assert_problem(answer, 500, "internal_error")
        assert "Jane" not in answer.text + caplog.text
        assert "RuntimeError" in caplog.text
        assert "test_middleware.py" in caplog.text
        assert body["request_id"] in caplog.text

    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), BaseException("Jane")])
    async def test_not_even_what_would_end_the_process_gets_past(
        self, error: BaseException
    ) -> None:
        async def broken(*_: object) -> None:
            raise error

        answer = await ask(RequestIdMiddleware(UnexpectedErrorMiddleware(broken)))
        assert_problem(answer, 500, "internal_error")
        assert "Jane" not in answer.text

    async def test_a_request_that_the_end_cuts_off_is_told_so(self) -> None:
        async def cut_off(*_: object) -> None:
            raise asyncio.CancelledError

        answer = await ask(RequestIdMiddleware(UnexpectedErrorMiddleware(cut_off)))
        assert_problem(answer, 503, "shutting_down")
        assert answer.headers["retry-after"]

    async def test_an_answer_under_way_is_not_answered_twice(self) -> None:
        async def broken(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "headers": [], "state": {"request_id": "r1", "log_id": "r1"}}
        await UnexpectedErrorMiddleware(broken)(scope, _never, send)
        assert [message["type"] for message in sent] == ["http.response.start"]


async def _never() -> Message:
    raise AssertionError("nothing is to be received")


class TestHeadAsGetMiddleware:
    async def test_head_is_answered_like_get(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert Request(scope).method == "GET"
            await hello(scope, receive, send)

        assert (await ask(HeadAsGetMiddleware(app), "HEAD")).status_code == 200
