"""Wiring and lifespan of the application; no logic."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from service import __version__, errors
from service.admission import Admission
from service.inference import Ensemble, load_ensemble
from service.loading import ModelLoader
from service.middleware import (
    HeadAsGet,
    LingeringClose,
    RequestId,
    StandingHeaders,
    UnforeseenErrors,
)
from service.quota import available_cpus
from service.routes import docs, health, model, predict
from service.routes.deps import Services
from service.settings import MIB, Settings
from service.uploads import MAX_BATCH_FILES, UploadLimits, UploadMemory

DESCRIPTION = """\
A chest X-ray goes in, a verdict comes out: how probable pneumonia is, by an ensemble of networks.

Decision support for radiographs of children from 1 to 5 years; **not a diagnosis**. Every answer
names the model, the threshold and the image that it is about. Errors are `application/problem+json`
(RFC 9457).
"""

WAITING_PER_THREAD = 8


def create_app(
    settings: Settings | None = None, *, load: Callable[[], Ensemble] | None = None
) -> FastAPI:
    """Make the application. Nothing is loaded before its lifespan starts.

    Args:
        settings: Every knob; read from the environment when not given.
        load: Gives the ensemble; the one of ``settings.models_dir`` when not given.
    """
    settings = settings or Settings()
    # Several images at once on one thread each are faster than one image on several threads.
    load = load or partial(load_ensemble, settings.models_dir, threads=1, engine=settings.engine)
    services = make_services(settings, load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.loader.start()
        try:
            yield
        finally:
            await services.admission.close()

    app = FastAPI(
        title="pneumonia-xray",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    errors.install(app)
    # The last one added is the outermost.
    for layer in (HeadAsGet, UnforeseenErrors, LingeringClose, StandingHeaders, RequestId):
        app.add_middleware(layer)
    docs.mount_assets(app)
    for routes in (predict, health, model, docs):
        app.include_router(routes.router)
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
    return Services(
        loader=ModelLoader(load, max_pixels=settings.max_pixels),
        admission=Admission(
            threads=threads,
            places=WAITING_PER_THREAD * threads if places is None else places,
            deadline_s=settings.queue_seconds,
        ),
        memory=UploadMemory(settings.upload_memory_mib * MIB),
        single=limits(files=1, total_bytes=settings.max_upload_mib * MIB),
        batch=limits(files=MAX_BATCH_FILES, total_bytes=settings.max_batch_mib * MIB),
    )
