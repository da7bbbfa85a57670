"""The application on uvicorn."""

import logging
import os
import re
import signal
import sys
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType
from urllib.parse import unquote

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.app import create_app
from service.api.dependencies import Services
from service.api.lingering import LINGER_IDLE_SECONDS
from service.api.middleware import (
    REQUEST_ID_HEADER,
    SECURITY_HEADERS,
    new_request_id,
)
from service.api.problems import problem_response
from service.errors import ServiceError
from service.observability.audit import AuditLog
from service.observability.middleware import Observer, client_address
from service.observability.record import RequestRecord, recording
from service.screening.loading import ModelLoader
from service.server.draining import DrainingServer
from service.server.protocol import GuardedProtocol
from service.settings import Settings

log = logging.getLogger(__name__)

_ABSOLUTE = re.compile(rb"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)


def serve_http(settings: Settings, loader: ModelLoader, audit: AuditLog | None = None) -> None:
    """Serve until SIGTERM or SIGINT, answer what is in flight, and return.

    Args:
        settings: Every setting.
        loader: Loads the model, or has loaded it.
        audit: The audit log; by default that of the settings.
    """
    app = create_app(settings, loader=loader, audit=audit)
    services: Services = app.state.services

    config = uvicorn_config(app, settings, services.observer)
    exit_cleanly_on_signals()
    try:
        DrainingServer(config, services.admission, grace_s=settings.shutdown_seconds).run()
    finally:
        if services.admission.running:
            # Python would wait for these threads, for as long as they take. Nobody else does.
            log.warning("Stopped with %d radiographs unfinished", services.admission.running)
            logging.shutdown()
            os._exit(0)


def uvicorn_config(
    app: ASGIApp, settings: Settings, observer: Observer, *, grace_s: int | None = None
) -> uvicorn.Config:
    """How every application here is served.

    Args:
        app: The application.
        settings: Address, port and deadlines.
        observer: Counts and logs requests that are not valid HTTP.
        grace_s: How long uvicorn lets requests end; None leaves that to the server.
    """

    class Protocol(GuardedProtocol):
        header_seconds = settings.header_seconds
        linger_seconds = LINGER_IDLE_SECONDS

        def respond(self, error: ServiceError) -> tuple[h11.Response, bytes]:
            return respond(error, observer, client_address(self.client))

    return uvicorn.Config(
        AbsoluteTargetMiddleware(app),
        # The empty host listens on IPv4 as well.
        host="" if settings.host == "::" else settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,  # logging is configured before the model loads
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=grace_s,
    )


@dataclass(frozen=True, slots=True)
class AbsoluteTargetMiddleware:
    """Serves requests whose target is a whole URL, as a server must (RFC 9112, section 3.2.2)."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] == "http" and (target := _ABSOLUTE.fullmatch(scope["raw_path"])):
            path = target[1] or b"/"
            scope = {**scope, "raw_path": path, "path": unquote(path.decode("ascii"))}
        await self.app(scope, receive, send)


def exit_cleanly_on_signals() -> None:
    """After a clean stop uvicorn raises the signal again, which would end the process as killed."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def respond(
    error: ServiceError, observer: Observer, client: str | None = None
) -> tuple[h11.Response, bytes]:
    """The answer to a request that is not valid HTTP, which never reaches the application."""
    request_id = new_request_id()
    record = RequestRecord(request_id, client=client)
    with recording(record):
        problem = problem_response(error, request_id)
    record.response_started(problem.status_code)
    observer.request_rejected(record)
    headers = [
        *problem.raw_headers,
        *SECURITY_HEADERS,
        (REQUEST_ID_HEADER.encode(), request_id.encode()),
        (b"Connection", b"close"),
    ]
    reason = HTTPStatus(problem.status_code).phrase
    response = h11.Response(status_code=problem.status_code, headers=headers, reason=reason)
    return response, bytes(problem.body)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
