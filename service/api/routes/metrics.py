"""What Prometheus asks for. Never queued, never in a thread."""

from fastapi import APIRouter
from starlette.responses import Response

from service.api.dependencies import ServicesDep
from service.api.documentation import SUCCESS
from service.observability.metrics import CONTENT_TYPE

router = APIRouter(tags=["operation"])


class PrometheusText(Response):
    """The text format of Prometheus."""

    media_type = CONTENT_TYPE


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    response_class=PrometheusText,
    response_description="Counters, histograms and the state of the queue.",
    responses=SUCCESS,
)
async def metrics(services: ServicesDep) -> Response:
    """Requests, problems, verdicts, durations by stage, the queue, the model and the process.

    No label takes a value that a client chose.
    """
    return PrometheusText(services.observer.metrics.render())
