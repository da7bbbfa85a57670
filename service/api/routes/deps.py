"""What handlers need of the application."""

from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple

from fastapi import Depends, Request, Response

from service.api.uploads import UploadLimits, UploadMemory
from service.i18n import Language, negotiated
from service.observability.middleware import Observer
from service.screening.admission import Admission
from service.screening.loading import ModelLoader
from service.screening.screen import Screening

SINGLE_FIELD: Final = frozenset({b"file"})
"""Name of the form field that holds the one radiograph of a request."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one application, made once by ``create_app``."""

    loader: ModelLoader
    admission: Admission
    memory: UploadMemory
    single: UploadLimits
    batch: UploadLimits
    observer: Observer


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


async def _screening(services: ServicesDep) -> Screening:
    return services.loader.screening()


ScreeningDep = Annotated[Screening, Depends(_screening)]
"""The model, or 503 while there is none."""


class Visit(NamedTuple):
    """What handlers of uploads need.

    Attributes:
        services: Parts of the application.
        screening: The model.
        request_id: As the client is told it.
        language: Of the sentences for people, which the answer names.
    """

    services: Services
    screening: Screening
    request_id: str
    language: Language


def visiting(request: Request, response: Response) -> Visit:
    """Let a request with an upload in before that is read, or refuse it if it could not be read.

    Handlers call this themselves: as a dependency it takes a tenth of what HTTP takes in all.

    Args:
        request: The request.
        response: As FastAPI gives it to the handler, for the headers of its answer.

    Raises:
        RefusalError: There is no model yet, or no room.
    """
    services: Services = request.app.state.services
    screening = services.loader.screening()
    services.admission.check()
    language = negotiated(request.headers.get("accept-language"))
    response.headers["Content-Language"] = language
    return Visit(services, screening, str(request.state.request_id), language)
