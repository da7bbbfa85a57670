"""Wiring and lifespan of the application; no logic."""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service import __version__
from service.api import problems
from service.api.auditing import AuditMiddleware
from service.api.dependencies import Services
from service.api.examples import fill_in_examples
from service.api.lingering import LingeringCloseMiddleware
from service.api.middleware import (
    CrossOriginMiddleware,
    HeadAsGetMiddleware,
    HeaderLimitMiddleware,
    PathPrefixMiddleware,
    RequestIdMiddleware,
    SecurityHeadersMiddleware,
    UnexpectedErrorMiddleware,
)
from service.api.rate_limits import RateLimiter, RateLimitHeadersMiddleware
from service.api.routes import include_routes
from service.api.security import RequireKey
from service.api.state_metrics import make_metrics
from service.api.uploads import MAX_BATCH_FILES, UploadLimits, UploadMemory
from service.inference import Ensemble
from service.observability.audit import AuditLog, open_audit
from service.observability.middleware import Observer, RequestRecordMiddleware, RouteNames
from service.observability.tracing import make_tracer
from service.screening.admission import Admission
from service.screening.cpu_quota import available_cpus
from service.screening.loading import ModelLoader, ensemble_loader
from service.settings import MIB, WAITING_PER_THREAD, Settings

DESCRIPTION: Final = """\
A chest X-ray goes in, a verdict comes out: how probable pneumonia is, by an ensemble of networks.

Decision support for radiographs of children from 1 to 5 years; **not a diagnosis**. Every answer
names the model, the threshold and the image that it is about. Errors are `application/problem+json`
(RFC 9457); programs read their `code`.

**Stability.** What stands below `/v1` keeps its addresses, fields, meanings and codes for as long
as the major version of the service is 1. New fields, codes, warnings and operations are added:
ignore those that you do not know. Not promised are the wording of sentences for people, and the
probabilities, which change with the model; each answer names its model's version and digest.
"""

NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own would send paths, queries and the texts of exceptions to a collector;
observability.tracing decides what is sent."""

TAGS: Final = [
    {
        "name": "screening",
        "description": "A radiograph in; its verdict, map, picture or report out. Nothing is kept.",
    },
    {"name": "model", "description": "Which networks answer, and what was measured of them."},
    {"name": "operation", "description": "For probes, load balancers and monitoring."},
]

LAST_WORK_S = 1.0
"""How long shutdown waits for work whose client has disconnected."""


def create_app(
    settings: Settings | None = None,
    *,
    load: Callable[[], Ensemble] | None = None,
    loader: ModelLoader | None = None,
    audit: AuditLog | None = None,
) -> FastAPI:
    """Make the application. Its lifespan starts to load the model, unless that has happened.

    Args:
        settings: Every setting; read from the environment by default.
        load: Gives the ensemble; by default that of ``settings.models_dir``.
        loader: Used instead of ``load`` if given.
        audit: The audit log, where it is open already; by default that of the settings is opened.

    Raises:
        AuditLogError: The audit log of the settings cannot be written.
    """
    settings = settings or Settings()
    if loader is None:
        loader = ModelLoader(
            load or ensemble_loader(settings),
            max_pixels=settings.max_pixels,
            prevalence=settings.prevalence,
        )
    audit = audit or open_audit(settings.audit_log, settings.audit_max_mib)
    services = make_services(settings, loader, audit)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.admission.start_threads()
        services.loader.start()
        try:
            yield
        finally:
            await services.admission.close(LAST_WORK_S)
            services.observer.close()
            if services.audit is not None:
                services.audit.close()

    app = FastAPI(
        title="pneumonia-xray",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        contact={"name": "The pneumonia-xray contributors"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # Relative to the document, so that it is right behind any proxy.
        servers=[{"url": "."}],
        lifespan=lifespan,
        docs_url=None,
        # A redirect would lose https and the path prefix behind a proxy.
        redirect_slashes=False,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    write_document = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            fill_in_examples(write_document())
        return write_document()

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI documents it
    app.state.services = services
    problems.install(app)
    keys = settings.named_keys
    include_routes(
        app,
        key_checks=[Depends(RequireKey(keys))] if keys else [],
        rate_limited=services.limiter is not None,
    )
    routes = [
        (context.path or "", context.original_route) for context in iter_route_contexts(app.routes)
    ]
    # The last one added is the outermost.
    app.add_middleware(HeadAsGetMiddleware)
    app.add_middleware(UnexpectedErrorMiddleware)
    app.add_middleware(HeaderLimitMiddleware)
    app.add_middleware(LingeringCloseMiddleware)
    if services.audit is not None:
        app.add_middleware(AuditMiddleware, audit=services.audit, routes=screening_paths(routes))
    if services.limiter is not None:
        app.add_middleware(RateLimitHeadersMiddleware, policy=services.limiter.policy)
    if settings.cors_origins:
        app.add_middleware(CrossOriginMiddleware, origins=settings.cors_origins)
    app.add_middleware(
        RequestRecordMiddleware,
        observer=services.observer,
        names=RouteNames(routes),
        draining=lambda: services.admission.draining,
    )
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(PathPrefixMiddleware, prefix=settings.root_path)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    return app


def screening_paths(routes: Iterable[tuple[str, BaseRoute]]) -> frozenset[str]:
    """Those paths whose routes read radiographs."""
    return frozenset(
        path for path, route in routes if isinstance(route, APIRoute) and "screening" in route.tags
    )


def make_services(settings: Settings, loader: ModelLoader, audit: AuditLog | None) -> Services:
    """Size the parts of the application by its settings."""
    threads = settings.threads or available_cpus()
    places = settings.queue_size
    limits = partial(
        UploadLimits,
        file_bytes=settings.max_upload_mib * MIB,
        seconds=settings.upload_seconds,
        bytes_per_second=settings.upload_bytes_per_second,
    )
    admission = Admission(
        threads=threads,
        places=WAITING_PER_THREAD * threads if places is None else places,
        deadline_s=settings.queue_seconds,
    )
    memory = UploadMemory(settings.upload_memory_mib * MIB)
    return Services(
        loader=loader,
        admission=admission,
        memory=memory,
        single=limits(files=1, total_bytes=settings.max_upload_mib * MIB),
        batch=limits(files=MAX_BATCH_FILES, total_bytes=settings.max_batch_mib * MIB),
        observer=Observer(
            make_metrics(admission, memory, loader), make_tracer(os.environ, __version__)
        ),
        limiter=RateLimiter(settings.rate_limit, settings.rate_burst)
        if settings.rate_limit
        else None,
        audit=audit,
        uid_root=settings.dicom_uid_root,
    )
