"""Cancels work whose client has closed the connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import Request

from service.errors import ClientGoneError

UNWATCHED_S: Final = 0.25
"""How long work runs before the connection is watched. Most work has finished by then, and watching
costs more than the little that could be saved."""


@asynccontextmanager
async def cancel_on_disconnect(
    request: Request, *, unwatched_s: float = UNWATCHED_S
) -> AsyncIterator[None]:
    """Cancel what is awaited in the context when the client closes the connection.

    The body of the request must have been read.

    Args:
        request: The client's request.
        unwatched_s: Seconds before the connection is watched.

    Raises:
        ClientGoneError: The client closed the connection.
    """
    waiting = asyncio.current_task()
    assert waiting is not None  # noqa: S101 - a coroutine runs in a task
    watching: asyncio.Task[None] | None = None
    disconnected = False

    async def watch() -> None:
        nonlocal disconnected
        while (await request.receive())["type"] != "http.disconnect":
            pass
        disconnected = True
        waiting.cancel()

    def start_watching() -> None:
        nonlocal watching
        watching = asyncio.ensure_future(watch())

    soon = asyncio.get_running_loop().call_later(unwatched_s, start_watching)
    try:
        yield
    except asyncio.CancelledError:
        # As in asyncio.timeout: a cancellation from elsewhere takes precedence.
        if disconnected and waiting.uncancel() == 0:
            message = "The connection was closed before the answer was ready."
            raise ClientGoneError(message) from None
        raise
    finally:
        soon.cancel()
        if watching is not None:
            watching.cancel()
