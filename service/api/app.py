"""Wiring and lifespan of the application; no logic."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from service import __version__
from service.api import problems as errors
from service.api.access import ApiKeys, Keys, document_keys
from service.api.middleware import (
    CrossOrigin,
    HeadAsGet,
    LingeringClose,
    RequestId,
    StandingHeaders,
    UnforeseenErrors,
)
from service.api.routes import docs, explain, health, metrics, model, page, predict, preview, report
from service.api.routes.deps import Services
from service.api.state_metrics import make_metrics
from service.api.uploads import MAX_BATCH_FILES, UploadLimits, UploadMemory
from service.inference import Ensemble
from service.observability.middleware import Observer, RequestRecordMiddleware, RouteNames
from service.observability.tracing import make_tracer
from service.screening.admission import Admission
from service.screening.ahead import loading
from service.screening.cpu_quota import available_cpus
from service.screening.loading import ModelLoader
from service.settings import MIB, Settings

DESCRIPTION = """\
A chest X-ray goes in, a verdict comes out: how probable pneumonia is, by an ensemble of networks.

Decision support for radiographs of children from 1 to 5 years; **not a diagnosis**. Every answer
names the model, the threshold and the image that it is about. Errors are `application/problem+json`
(RFC 9457).
"""

WAITING_PER_THREAD = 8

LAST_WORK_S = 1.0
"""How long work that nobody waits for any more is waited for when the service ends."""


class Application(FastAPI):
    """FastAPI, with nothing around the outermost of the service's own middleware."""

    def build_middleware_stack(self) -> ASGIApp:
        """See ``Starlette``; leaves out what the service has of its own.

        FastAPI answers errors that nobody foresaw, tells a collector of them and limits bodies.
        Here that is for ``UnforeseenErrors``, ``observability.tracing`` and ``api.uploads``.
        """
        app: Any = super().build_middleware_stack()
        while not isinstance(app, RequestId):
            app = app.app
        return app


def create_app(
    settings: Settings | None = None, *, load: Callable[[], Ensemble] | None = None
) -> FastAPI:
    """Make the application. Nothing is loaded before its lifespan starts.

    Args:
        settings: Every knob; read from the environment when not given.
        load: Gives the ensemble; the one of ``settings.models_dir`` when not given.
    """
    settings = settings or Settings()
    services = make_services(settings, load or loading(settings))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.admission.start_threads()
        services.loader.start()
        try:
            yield
        finally:
            await services.admission.close(LAST_WORK_S)
            services.observer.close()

    app = Application(
        title="pneumonia-xray",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # FastAPI's own would send paths, queries and the texts of exceptions to a collector; what
        # is sent is for observability.tracing alone to say. Older versions take no notice of this.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.services = services
    errors.install(app)
    # The router tries them in this order: what is asked for most comes first. As routers that are
    # included, each would be searched twice for each request.
    parts = (predict, explain, report, preview, health, metrics, model, page, docs)
    app.router.routes[:0] = chain.from_iterable(part.router.routes for part in parts)
    docs.mount_assets(app)
    names = RouteNames(app.routes)
    # The last one added is the outermost.
    app.add_middleware(HeadAsGet)
    keys = Keys(key.get_secret_value() for key in settings.api_keys)
    if keys:
        app.add_middleware(ApiKeys, keys=keys)
        document_keys(app)
    app.add_middleware(UnforeseenErrors)
    app.add_middleware(LingeringClose)
    if settings.cors_origins:
        app.add_middleware(CrossOrigin, origins=settings.cors_origins)
    app.add_middleware(
        RequestRecordMiddleware,
        observer=services.observer,
        names=names,
        draining=lambda: services.admission.draining,
    )
    app.add_middleware(StandingHeaders)
    app.add_middleware(RequestId)
    return app


def make_services(settings: Settings, load: Callable[[], Ensemble]) -> Services:
    """Size the parts of the application by its settings."""
    threads = settings.threads or available_cpus()
    places = settings.queue_size
    limits = partial(
        UploadLimits,
        file_bytes=settings.max_upload_mib * MIB,
        seconds=settings.upload_seconds,
        bytes_per_second=settings.upload_bytes_per_second,
    )
    loader = ModelLoader(load, max_pixels=settings.max_pixels)
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
    )
