"""Runs the application on a socket until it is told to stop, and then to the end of its work."""

import asyncio
import faulthandler
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn

from service.api.app import create_app
from service.api.routes.deps import Services
from service.inference import Ensemble
from service.observability.logs import install_exception_hooks, log_config
from service.server.memory import lasting, nothing_is_garbage, tidied
from service.server.protocol import GuardedProtocol
from service.settings import Settings

log = logging.getLogger(__name__)

LAST_ANSWERS_S: Final = 1
"""How long the refusals that are sent when the grace period is over may take to go out."""


def serve(settings: Settings, *, load: Callable[[], Ensemble]) -> None:
    """Serve until SIGTERM or SIGINT; answer what is under way; return.

    Args:
        settings: Every knob.
        load: See ``create_app``.
    """
    faulthandler.enable()
    with nothing_is_garbage():
        app = create_app(settings, load=lasting(load))
    services: Services = app.state.services

    class Protocol(GuardedProtocol):
        header_seconds = settings.header_seconds
        on_refusal = staticmethod(services.observer.request_rejected)

    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=log_config(settings.log_level, settings.log_format),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
    )
    # After a clean end uvicorn raises the signal again, which would end the process as killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        with tidied():
            DrainingServer(config, services, grace_s=settings.shutdown_seconds).run()
    finally:
        if services.admission.running:
            # Python would wait for these threads, for as long as they take. Nobody else does.
            log.warning("Left %d radiographs unread at the end", services.admission.running)
            logging.shutdown()
            os._exit(0)


class DrainingServer(uvicorn.Server):
    """uvicorn, but it answers to the end.

    uvicorn closes its socket at once when it is told to stop, and answers what is cancelled after
    the grace period in plain text. Here whoever still comes is told in words that the service is
    shutting down, and so is, at the end of the grace period, whoever could not be answered by then.

    Args:
        config: See uvicorn.
        services: Parts of the application.
        grace_s: How long requests under way may take to be answered.
    """

    def __init__(self, config: uvicorn.Config, services: Services, *, grace_s: float) -> None:
        super().__init__(config)
        self._services = services
        self._grace_s = grace_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the socket."""
        install_exception_hooks(asyncio.get_running_loop())
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way while new work is refused, then close the socket and end."""
        clock = asyncio.get_running_loop().time
        end = clock() + self._grace_s
        log.info("Shutting down: finishing what is under way, taking nothing new")
        self._services.admission.drain()
        # uvicorn has no event for this.
        while self.server_state.tasks and clock() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        late = [*self.server_state.tasks]
        if late:
            log.warning("The grace period is over: %d requests are refused", len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=LAST_ANSWERS_S)
        # Clients that are slow to read their answers have what is left of the time.
        self.config.timeout_graceful_shutdown = max(LAST_ANSWERS_S, math.ceil(end - clock()))
        await super().shutdown(sockets)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
