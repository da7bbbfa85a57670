"""Whether the process lives and the model is ready. Never queued, never in a thread."""

from fastapi import APIRouter

from service import __version__, errors
from service.api.dependencies import ScreeningDep, ServicesDep
from service.api.documentation import SUCCESS, problems
from service.api.schemas import Alive, Health, Ready, identity_of

router = APIRouter(prefix="/health", tags=["operation"])

_NOT_READY = problems(errors.ModelNotReadyError, errors.ModelUnavailableError)
_ENDING = problems(
    errors.ModelNotReadyError, errors.ModelUnavailableError, errors.ShuttingDownError
)


@router.get(
    "",
    operation_id="getHealth",
    summary="State of the service",
    responses={**SUCCESS, **_NOT_READY},
)
async def health(services: ServicesDep, screening: ScreeningDep) -> Health:
    """200 with a summary when the model is ready; else 503 with the reason in words."""
    return Health(
        version=__version__,
        model=identity_of(screening.ensemble.bundle),
        threads=services.admission.threads,
        running=services.admission.running,
        waiting=services.admission.waiting,
        places=services.admission.places,
    )


@router.get("/live", operation_id="checkAlive", summary="Is the process alive?", responses=SUCCESS)
async def live() -> Alive:
    """200 from the first moment on, whatever the state of the model. Restart when it fails."""
    return Alive()


@router.get(
    "/ready",
    operation_id="checkReady",
    summary="Is the model ready?",
    responses={**SUCCESS, **_ENDING},
)
async def ready(services: ServicesDep, _: ScreeningDep) -> Ready:
    """200 once the model is loaded, checked and warm; until then 503 with the reason in words.

    503 again once the service is stopping, so that nothing new is sent to it.
    """
    services.admission.check_open()
    return Ready()
