import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from service.refusals import ClientGoneError
from service.routes.client import unless_gone

pytestmark = pytest.mark.anyio


def request_that_leaves_after(seconds: float) -> Request:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(seconds)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


async def test_the_result_comes_back_while_the_client_is_there() -> None:
    async def work() -> str:
        return "done"

    assert await unless_gone(request_that_leaves_after(30), work()) == "done"


async def test_an_exception_comes_back_as_it_is() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await unless_gone(request_that_leaves_after(30), work())


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    with pytest.raises(ClientGoneError):
        await unless_gone(request_that_leaves_after(0), work())
    assert cancelled.is_set()


async def test_work_is_cancelled_when_the_request_is() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    task = asyncio.create_task(unless_gone(request_that_leaves_after(30), work()))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert cancelled.is_set()
