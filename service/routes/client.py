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
    job = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait({job, departure}, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        raise ClientGoneError("The connection was closed before the answer was ready.")
    finally:
        job.cancel()
        departure.cancel()
        await asyncio.wait({job, departure})


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
