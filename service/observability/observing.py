"""Watches every request: metrics, its line in the log, its trace, and the Server-Timing header."""

from collections.abc import Callable, Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observability.logs import log_request
from service.observability.metrics import Metrics
from service.observability.stages import UNKNOWN, Journal, opened
from service.observability.tracing import Tracer

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Observer:
    """What becomes of a request's journal.

    Args:
        metrics: Counts it.
        tracer: Sends it to a collector of traces, if there is one.
    """

    def __init__(self, metrics: Metrics, tracer: Tracer | None = None) -> None:
        self.metrics = metrics
        self.tracer = tracer

    def begun(self) -> None:
        """A request is in flight."""
        self.metrics.began()

    def ended(self, journal: Journal) -> None:
        """That request is over."""
        self.metrics.ended(journal)
        self._tell(journal)

    def refused(self, journal: Journal) -> None:
        """A request was refused before it reached the application."""
        self.metrics.count(journal)
        self._tell(journal)

    def close(self) -> None:
        """Send what is left of the traces, for a bounded time."""
        if self.tracer is not None:
            self.tracer.close()

    def _tell(self, journal: Journal) -> None:
        log_request(journal)
        if self.tracer is not None:
            self.tracer.record(journal)


class RouteNames:
    """Names the routes that paths belong to, by the templates of the application.

    The router's own choice comes too late: a request without a key never reaches it.

    Args:
        routes: Of the application and of its routers.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        known = [route for route in routes if isinstance(route, Route | Mount)]
        self._exact = frozenset(route.path for route in known if not route.param_convertors)
        self._patterns = tuple(
            (route.path_regex, route.path) for route in known if route.param_convertors
        )

    def name(self, path: str) -> str:
        """The template that a path is, or the mount that it lies under, or ``UNKNOWN``."""
        if path in self._exact:
            return path
        matching = (name for pattern, name in self._patterns if pattern.match(path))
        return next(matching, UNKNOWN)


class Observing:
    """Keeps the journal of each request.

    Args:
        observer: Gets the journal when the request is over.
        names: Tells which route a path is.
        draining: Whether the service is about to end; then its answers close their connections.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        observer: Observer,
        names: RouteNames,
        draining: Callable[[], bool],
    ) -> None:
        self.app = app
        self._observer = observer
        self._names = names
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        journal = self._journal(scope)
        body_seen = False

        async def receive_timed() -> Message:
            nonlocal body_seen
            message = await receive()
            if message["type"] == "http.request" and not body_seen:
                body_seen = not message.get("more_body", False)
                if body_seen and journal.total_s is None:  # else the rest of a refused upload
                    journal.ended("upload", journal.start_s)
            return message

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                journal.answered(message["status"])
                timing = (b"server-timing", server_timing(journal).encode())
                message["headers"] = [*message["headers"], timing]
                if self._draining():
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        self._observer.begun()
        try:
            with opened(journal):
                await self.app(scope, receive_timed, send_timed)
        finally:
            self._observer.ended(journal)

    def _journal(self, scope: Scope) -> Journal:
        method = scope["method"]
        parent = Headers(scope=scope).get("traceparent") if self._observer.tracer else None
        return Journal(
            request_id=scope["state"]["log_id"],
            route=self._names.name(scope["path"]),
            method=method if method in _METHODS else UNKNOWN,
            parent=parent,
        )


def server_timing(journal: Journal) -> str:
    """The header's value: durations in milliseconds, which browsers show beside the request."""
    return ", ".join(f"{name};dur={value}" for name, value in journal.milliseconds().items())
