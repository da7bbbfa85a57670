"""Runs the application on a socket until it is told to stop, and then to the end of its work."""

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import uvicorn

from service.app import create_app
from service.inference import Ensemble
from service.memory import return_large_blocks
from service.protocol import GuardedProtocol
from service.settings import Settings

MAX_HEADER_BYTES: Final = 16 * 1024


def serve(settings: Settings, *, load: Callable[[], Ensemble] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; answer what is under way; return."""
    return_large_blocks()

    class Protocol(GuardedProtocol):
        header_seconds = settings.header_seconds

    config = uvicorn.Config(
        create_app(settings, load=load),
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=_log_config(settings.log_level),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    # After a clean end uvicorn raises the signal again, which would end the process as killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    uvicorn.Server(config).run()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _log_config(level: str) -> dict[str, Any]:
    """Everything to standard error, one line each; nothing of a request's content in any of it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        # These quote what they could not parse.
        "loggers": {
            name: {"level": logging.getLevelName(logging.CRITICAL)}
            for name in ("python_multipart", "PIL")
        },
    }
