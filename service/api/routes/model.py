"""Which model answers, and what is known of it."""

from fastapi import APIRouter

from service import errors
from service.api.dependencies import ScreeningDep
from service.api.documentation import SUCCESS, problems
from service.api.model_schema import Model

router = APIRouter(tags=["model"])


@router.get(
    "/model",
    operation_id="describeModel",
    summary="The model that answers",
    responses={
        **SUCCESS,
        **problems(errors.ModelNotReadyError, errors.ModelUnavailableError),
    },
)
async def model(screening: ScreeningDep) -> Model:
    """Identity, networks, input, calibration, operating point and measured figures."""
    return Model.from_ensemble(screening.ensemble)
