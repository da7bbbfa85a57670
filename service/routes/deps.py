"""What handlers need of the application, as annotated parameters."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request, Response

from service.admission import Admission
from service.loading import ModelLoader
from service.observing import Observer
from service.screening import Screening
from service.texts import Language, negotiated
from service.uploads import UploadLimits, UploadMemory

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


async def _request_id(request: Request) -> str:
    return str(request.state.request_id)


RequestIdDep = Annotated[str, Depends(_request_id)]


async def _language(request: Request, response: Response) -> Language:
    language = negotiated(request.headers.get("accept-language"))
    response.headers["Content-Language"] = language
    return language


LanguageDep = Annotated[Language, Depends(_language)]
"""The language of the sentences for people, which the answer names."""


async def _screening(services: ServicesDep) -> Screening:
    return services.loader.screening()


ScreeningDep = Annotated[Screening, Depends(_screening)]
"""The model, or 503 while there is none."""


async def _admitted(services: ServicesDep, screening: ScreeningDep) -> Screening:
    services.admission.check()
    return screening


AdmittedScreeningDep = Annotated[Screening, Depends(_admitted)]
"""The model, or 503 before the upload is read when it could not be worked on anyway."""
