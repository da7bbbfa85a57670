"""Work that is only worth doing while its client is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from service.refusals import ClientGoneError

T = TypeVar("T")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await work, or cancel it as soon as the client closes the connection.

    The body of the request must have been read.

    Raises:
        ClientGoneError: The client has gone.
    """
    waiting = asyncio.current_task()
    assert waiting is not None  # noqa: S101 - a coroutine runs in a task
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        waiting.cancel()

    watching = asyncio.ensure_future(watch())
    try:
        return await work
    except asyncio.CancelledError:
        # As in asyncio.timeout: whoever else cancelled the request as well is obeyed.
        if gone and waiting.uncancel() == 0:
            message = "The connection was closed before the answer was ready."
            raise ClientGoneError(message) from None
        raise
    finally:
        watching.cancel()
