"""The routes of the service, each in the module of its name."""

from collections.abc import Sequence
from typing import Final

from fastapi import FastAPI
from fastapi.params import Depends

from service.api.documentation import problems
from service.api.routes import (
    dicom,
    docs,
    explain,
    health,
    metrics,
    model,
    page,
    predict,
    preview,
    report,
)
from service.errors import RateLimitedError, UnauthorizedError

VERSION_PREFIX: Final = "/v1"


def include_routes(
    app: FastAPI, *, key_checks: Sequence[Depends] = (), rate_limited: bool = False
) -> None:
    """Include every route.

    Args:
        app: The application.
        key_checks: Dependencies of the routes that need a key, if the service has any. Probes, the
            page and the documentation need none.
        rate_limited: Whether clients may send only so many radiographs at a time.
    """
    refusals = problems(UnauthorizedError) if key_checks else {}
    limits = problems(RateLimitedError) if rate_limited else {}
    for part in (predict, explain, report, dicom, preview, model):
        app.include_router(
            part.router,
            prefix=VERSION_PREFIX,
            dependencies=key_checks,
            responses=refusals if part is model else refusals | limits,
        )
        # The addresses from before there was a prefix; they stay.
        app.include_router(part.router, dependencies=key_checks, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(metrics.router, dependencies=key_checks, responses=refusals)
    app.include_router(page.router)
    app.include_router(docs.router)
    page.mount_assets(app)
    docs.mount_assets(app)
