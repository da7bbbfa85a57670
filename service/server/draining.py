"""uvicorn's server, which answers every request in flight before it stops."""

import asyncio
import logging
import math
import socket
from typing import Final

import uvicorn

from service.observability.logs import install_exception_hooks
from service.screening.admission import Admission

log = logging.getLogger(__name__)

LAST_ANSWERS_S: Final = 1
"""How long the refusals at the end of the grace period may take to be sent."""


class DrainingServer(uvicorn.Server):
    """uvicorn, but it drains.

    On SIGTERM uvicorn closes its socket at once, and what it cancels after the grace period it
    answers in plain text. Here new requests receive 503 until the last one in flight is answered,
    and so do requests that are still in flight at the end of the grace period.

    Args:
        config: See uvicorn.
        admission: Refuses new work while the server drains.
        grace_s: How long requests in flight may take.
    """

    def __init__(self, config: uvicorn.Config, admission: Admission, *, grace_s: float) -> None:
        super().__init__(config)
        self._admission = admission
        self._grace_s = grace_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the socket."""
        install_exception_hooks(asyncio.get_running_loop())
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is in flight while new work is refused, then close the socket and stop."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._grace_s
        log.info("Shutting down: finishing requests in flight, accepting no new work")
        self._admission.drain()
        # uvicorn has no event for this.
        while self.server_state.tasks and clock() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        late = [*self.server_state.tasks]
        if late:
            log.warning("The grace period is over: refusing %d requests", len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=LAST_ANSWERS_S)
        # Clients that read their answers slowly have what is left of the time.
        self.config.timeout_graceful_shutdown = max(LAST_ANSWERS_S, math.ceil(end - clock()))
        await super().shutdown(sockets)
