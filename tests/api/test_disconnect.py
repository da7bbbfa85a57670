import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from starlette.requests import Request

from service.api.disconnect import UNWATCHED_S, cancel_on_disconnect
from service.errors import ClientGoneError

pytestmark = pytest.mark.anyio

T = TypeVar("T")


async def watched(request: Request, work: Awaitable[T], *, unwatched_s: float = 0) -> T:
    async with cancel_on_disconnect(request, unwatched_s=unwatched_s):
        return await work


def request_that_leaves_after(seconds: float) -> Request:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(seconds)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


async def test_the_result_comes_back_while_the_client_is_there() -> None:
    async def work() -> str:
        return "done"

    assert await watched(request_that_leaves_after(30), work()) == "done"


async def test_an_exception_comes_back_as_it_is() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await watched(request_that_leaves_after(30), work())


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    with pytest.raises(ClientGoneError):
        await watched(request_that_leaves_after(0), work())
    assert cancelled.is_set()


async def test_work_is_cancelled_when_the_request_is() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    task = asyncio.create_task(watched(request_that_leaves_after(30), work()))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert cancelled.is_set()


async def test_a_request_that_is_cancelled_as_its_client_leaves_stays_cancelled() -> None:
    leaves, asked = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        asked.set()
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)  # both have said so by now

    request = Request({"type": "http", "headers": []}, receive)
    task = asyncio.create_task(watched(request, work()))
    await asked.wait()
    leaves.set()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_client_that_is_answered_at_once_is_not_watched() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError

    async def work() -> str:
        await asyncio.sleep(UNWATCHED_S / 10)
        return "done"

    request = Request({"type": "http", "headers": []}, receive)
    assert await watched(request, work(), unwatched_s=UNWATCHED_S) == "done"
    await asyncio.sleep(UNWATCHED_S)


async def test_nobody_watches_a_client_that_was_answered() -> None:
    async def work() -> None:
        await asyncio.sleep(0.01)

    before = asyncio.all_tasks()
    await watched(request_that_leaves_after(30), work())
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", range(8))
async def test_a_client_that_leaves_as_the_work_ends_leaves_no_cancellation_behind(
    turns: int,
) -> None:
    async def work() -> None:
        for _ in range(turns):  # the client leaves after it has ended, in that turn, or before
            await asyncio.sleep(0)

    with suppress(ClientGoneError):
        await watched(request_that_leaves_after(0), work())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # raises if a cancellation is still to come
