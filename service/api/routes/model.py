"""Which model answers, and what is known of it."""

from fastapi import APIRouter

from service import errors as refusals
from service.api.model_schema import Model
from service.api.routes.deps import ScreeningDep
from service.api.routes.documentation import SUCCESS, problems

router = APIRouter(tags=["model"])


@router.get(
    "/model",
    summary="The model that answers",
    responses={
        **SUCCESS,
        **problems(refusals.ModelNotReadyError, refusals.ModelUnavailableError),
    },
)
async def model(screening: ScreeningDep) -> Model:
    """Identity, networks, input, calibration, operating point and measured figures."""
    return Model.from_ensemble(screening.ensemble)
