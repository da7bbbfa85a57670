"""Work that is only worth doing while its client is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from fastapi import Request

from service.errors import ClientGoneError

T = TypeVar("T")

UNWATCHED_S: Final = 0.25
"""How long work goes on before anybody looks whether its client is there: most is done by then, and
looking takes longer than what little could be saved."""


async def unless_gone(
    request: Request, work: Coroutine[Any, Any, T], *, unwatched_s: float = UNWATCHED_S
) -> T:
    """Await work, or cancel it when the client closes the connection.

    The body of the request must have been read.

    Args:
        request: The client's.
        work: What it waits for.
        unwatched_s: How long the client is taken to be there, in seconds.

    Raises:
        ClientGoneError: The client has gone.
    """
    waiting = asyncio.current_task()
    assert waiting is not None  # noqa: S101 - a coroutine runs in a task
    watching: asyncio.Task[None] | None = None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        waiting.cancel()

    def begin() -> None:
        nonlocal watching
        watching = asyncio.ensure_future(watch())

    soon = asyncio.get_running_loop().call_later(unwatched_s, begin)
    try:
        return await work
    except asyncio.CancelledError:
        # As in asyncio.timeout: whoever else cancelled the request as well is obeyed.
        if gone and waiting.uncancel() == 0:
            message = "The connection was closed before the answer was ready."
            raise ClientGoneError(message) from None
        raise
    finally:
        soon.cancel()
        if watching is not None:
            watching.cancel()
