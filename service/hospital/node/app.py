"""The node over HTTP: health, metrics, and STOW-RS."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import iter_route_contexts
from pydantic import Field
from starlette.responses import Response

from service import __version__, errors
from service.api import problems
from service.api.app import NO_TELEMETRY
from service.api.documentation import SUCCESS
from service.api.documentation import problems as documented
from service.api.middleware import (
    HeaderLimitMiddleware,
    RequestIdMiddleware,
    SecurityHeadersMiddleware,
    UnexpectedErrorMiddleware,
)
from service.api.problems import Answer
from service.api.routes.metrics import PrometheusText
from service.api.schemas import Alive, ModelIdentity, Ready, identity_of
from service.api.security import RequireKey
from service.hospital.node import stow
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.intake import Intake
from service.hospital.node.ledger import State
from service.observability.middleware import Observer, RequestRecordMiddleware, RouteNames
from service.screening.loading import ModelLoader

router = APIRouter(tags=["health"])
metrics_router = APIRouter(tags=["health"])


class NodeHealth(Answer):
    """The state of a node that is ready."""

    version: str = Field(description="Version of the service.")
    ae_title: str = Field(description="AE title of the node.")
    model: ModelIdentity = Field(description="Which model screens.")
    to_screen: int = Field(ge=0, description="Images that wait to be screened.")
    to_deliver: int = Field(ge=0, description="Images whose results wait to be delivered.")
    in_quarantine: int = Field(ge=0, description="Images that a person should look at.")
    oldest_seconds: float = Field(ge=0, description="For how long the oldest has waited.")


class NodeState:
    """What the routes ask for.

    Args:
        ae_title: Ours.
        loader: Loads the model, or has loaded it.
        queue: The queue.
        stopping: Whether the node is stopping.
    """

    def __init__(
        self,
        *,
        ae_title: str,
        loader: ModelLoader,
        queue: DurableQueue,
        stopping: Callable[[], bool],
    ) -> None:
        self.ae_title = ae_title
        self.loader = loader
        self.queue = queue
        self.stopping = stopping


async def get_state(request: Request) -> NodeState:
    """What the node is doing."""
    state: NodeState = request.app.state.node
    return state


StateDep = Annotated[NodeState, Depends(get_state)]

_NOT_READY = documented(
    errors.ModelNotReadyError, errors.ModelUnavailableError, errors.ShuttingDownError
)


@router.get("/health", summary="State of the node", responses={**SUCCESS, **_NOT_READY})
def health(state: StateDep) -> NodeHealth:
    """200 with a summary when the model is ready; else 503 with the reason in words."""
    bundle = state.loader.screening().ensemble.bundle
    counts = state.queue.ledger.counts()
    return NodeHealth(
        version=__version__,
        ae_title=state.ae_title,
        model=identity_of(bundle),
        to_screen=counts[State.QUEUED],
        to_deliver=counts[State.MADE],
        in_quarantine=counts[State.QUARANTINED],
        oldest_seconds=round(state.queue.ledger.oldest_s(), 1),
    )


@router.get("/health/live", summary="Is the process alive?", responses=SUCCESS)
async def live() -> Alive:
    """200 from the first moment on."""
    return Alive()


@router.get("/health/ready", summary="Is the model ready?", responses={**SUCCESS, **_NOT_READY})
async def ready(state: StateDep) -> Ready:
    """200 once the model is ready; images are received before that, too."""
    if state.stopping():
        raise errors.ShuttingDownError("The node is shutting down.")
    state.loader.screening()
    return Ready()


@metrics_router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PrometheusText,
    responses=SUCCESS,
)
def metrics(request: Request) -> Response:
    """What the node received, screened and delivered, and what waits."""
    observer: Observer = request.app.state.observer
    return PrometheusText(observer.metrics.render())


def create_node_app(
    state: NodeState,
    *,
    intake: Intake,
    observer: Observer,
    keys: Sequence[tuple[str, str]],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """Make the application.

    Args:
        state: What the health routes tell.
        intake: Takes in what STOW-RS brings.
        observer: Counts and logs requests.
        keys: Name and secret of each key that opens all but health; none if everybody may.
        lifespan: Starts and stops the node.
    """
    app = FastAPI(
        title="pneumonia-xray node",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.state.node = state
    app.state.intake = intake
    app.state.observer = observer
    problems.install(app)
    checks = [Depends(RequireKey(keys))] if keys else []
    app.include_router(router)
    app.include_router(metrics_router, dependencies=checks)
    app.include_router(stow.router, dependencies=checks)
    app.add_middleware(UnexpectedErrorMiddleware)
    app.add_middleware(HeaderLimitMiddleware)
    app.add_middleware(
        RequestRecordMiddleware,
        observer=observer,
        names=RouteNames(
            [(each.path or "", each.original_route) for each in iter_route_contexts(app.routes)]
        ),
        draining=state.stopping,
    )
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(RequestIdMiddleware)
    return app
