"""Records every request: metrics, its log line, its trace, and the Server-Timing header."""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Mount, Route, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability.logs import log_request
from service.observability.metrics import Metrics
from service.observability.record import OTHER, RequestRecord, recording
from service.observability.tracing import Tracer

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Observer:
    """Counts, logs and traces requests.

    Args:
        metrics: Counts them.
        tracer: Exports them as traces, if a collector is configured.
    """

    def __init__(self, metrics: Metrics, tracer: Tracer | None = None) -> None:
        self.metrics = metrics
        self.tracer = tracer

    def request_started(self) -> None:
        """Count a request as in flight."""
        self.metrics.request_started()

    def request_finished(self, record: RequestRecord) -> None:
        """Report a request that was in flight."""
        self.metrics.request_finished(record)
        self._export(record)

    def request_rejected(self, record: RequestRecord) -> None:
        """Report a request that was rejected before it reached the application."""
        self.metrics.count(record)
        self._export(record)

    def close(self) -> None:
        """Send the remaining traces, for a bounded time."""
        if self.tracer is not None:
            self.tracer.close()

    def _export(self, record: RequestRecord) -> None:
        log_request(record)
        if self.tracer is not None:
            self.tracer.export(record)


class RouteNames:
    """Maps paths to the templates of their routes.

    The router's own match comes too late: a request without a key never reaches it.

    Args:
        routes: All routes of the application, each with its path there: a router may have been
            included below a prefix.
    """

    def __init__(self, routes: Iterable[tuple[str, BaseRoute]]) -> None:
        known = [(path, route) for path, route in routes if isinstance(route, Route | Mount)]
        self._exact = frozenset(path for path, route in known if not route.param_convertors)
        self._patterns = tuple(
            (compile_path(path if isinstance(route, Route) else path + "/{path:path}")[0], path)
            for path, route in known
            if route.param_convertors
        )

    def name(self, path: str) -> str:
        """The template of a path's route, the path of its mount, or ``OTHER``."""
        if path in self._exact:
            return path
        matching = (name for pattern, name in self._patterns if pattern.match(path))
        return next(matching, OTHER)


@dataclass(frozen=True, slots=True)
class RequestRecordMiddleware:
    """Keeps the record of each request.

    Attributes:
        app: The application.
        observer: Gets the record when the request is over.
        names: Names the route of a path.
        draining: Whether the service is shutting down; responses then close their connections.
    """

    app: ASGIApp
    observer: Observer
    names: RouteNames
    draining: Callable[[], bool]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = self._new_record(scope)
        body_received = False

        async def receive_timed() -> Message:
            nonlocal body_received
            message = await receive()
            if message["type"] == "http.request" and not body_received:
                body_received = not message.get("more_body", False)
                # After the response has started, the rest of a refused upload is only discarded.
                if body_received and record.total_s is None:
                    record.add_stage("upload", record.start_s)
            return message

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.response_started(message["status"])
                headers = MutableHeaders(scope=message)
                headers["Server-Timing"] = server_timing(record)
                if self.draining():
                    headers["Connection"] = "close"
            await send(message)

        self.observer.request_started()
        try:
            with recording(record):
                await self.app(scope, receive_timed, send_timed)
        finally:
            self.observer.request_finished(record)

    def _new_record(self, scope: Scope) -> RequestRecord:
        method = scope["method"]
        parent = Headers(scope=scope).get("traceparent") if self.observer.tracer else None
        return RequestRecord(
            request_id=scope["state"]["log_id"],
            route=self.names.name(scope["path"].removeprefix(scope.get("root_path", ""))),
            method=method if method in _METHODS else OTHER,
            parent=parent,
            client=client_address(scope.get("client")),
        )


def client_address(client: tuple[str, int] | None) -> str | None:
    """The IP address of a client; None for anything else, which a proxy may have been sent."""
    try:
        return str(ipaddress.ip_address(client[0])) if client else None
    except ValueError:
        return None


def server_timing(record: RequestRecord) -> str:
    """Value of the Server-Timing header: durations in milliseconds."""
    return ", ".join(f"{name};dur={value}" for name, value in record.durations_ms().items())
