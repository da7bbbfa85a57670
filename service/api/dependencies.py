"""What handlers need, as FastAPI dependencies."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from service.api import rate_limits
from service.api.client import client_of
from service.api.form import Upload
from service.api.rate_limits import RateLimiter
from service.api.uploads import UploadLimits, UploadMemory, receive_upload
from service.hospital.results import ANY_ROOT
from service.i18n import Language, negotiate_language
from service.observability.audit import AuditLog
from service.observability.middleware import Observer
from service.report import MAX_NOTE, MAX_REFERENCE
from service.screening.admission import Admission
from service.screening.loading import ModelLoader
from service.screening.screen import Screening

FILE_FIELDS: Final = frozenset({b"file"})
BATCH_FIELDS: Final = frozenset({b"files", b"file"})
REPORT_TEXTS: Final = {b"reference": MAX_REFERENCE, b"note": MAX_NOTE}


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one application, made once by ``create_app``."""

    loader: ModelLoader
    admission: Admission
    memory: UploadMemory
    single: UploadLimits
    batch: UploadLimits
    observer: Observer
    limiter: RateLimiter | None = None
    audit: AuditLog | None = None
    uid_root: str = ANY_ROOT


async def get_services(request: Request) -> Services:
    """The parts of the application that handles this request."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


async def get_screening(services: ServicesDep) -> Screening:
    """The model, or 503 while there is none."""
    return services.loader.screening()


ScreeningDep = Annotated[Screening, Depends(get_screening)]


async def get_request_id(request: Request) -> str:
    """The id of this request, as the client sees it."""
    request_id: str = request.state.request_id
    return request_id


RequestIdDep = Annotated[str, Depends(get_request_id)]


async def get_client(request: Request) -> str:
    """Who sends this request: clients take turns in the queue."""
    return client_of(request)


ClientDep = Annotated[str, Depends(get_client)]


async def get_language(request: Request, response: Response) -> Language:
    """The language of the answer's sentences; a JSON answer names it in Content-Language."""
    language = negotiate_language(request.headers.get("accept-language"))
    response.headers["Content-Language"] = language
    return language


LanguageDep = Annotated[Language, Depends(get_language)]


async def get_chosen_language(
    preferred: LanguageDep,
    lang: Annotated[
        Language | None,
        Query(
            description="Language of the results; by default that of Accept-Language or English."
        ),
    ] = None,
) -> Language:
    """The language of a file that is made: the query's, or else that of the sentences."""
    return lang or preferred


ChosenLanguageDep = Annotated[Language, Depends(get_chosen_language)]


PrevalenceQuery = Annotated[
    float | None,
    Query(
        gt=0,
        lt=1,
        description="Share of pneumonia among the films that are sent: the answer's `local` says "
        "what its verdict amounts to there. By default that of the operator, if there is one.",
    ),
]


async def admit(request: Request, services: ServicesDep, _: ScreeningDep) -> None:
    """Refuse an upload before its body is read.

    There is no model, its client sends too many, the service is stopping, or its queue is full.
    What finds no room costs its client no token.
    """
    await rate_limits.check(services.limiter, request)
    services.admission.check()
    rate_limits.take(services.limiter, request)


def upload_router() -> APIRouter:
    """A router for routes that take uploads."""
    return APIRouter(tags=["screening"], dependencies=[Depends(admit)])


async def get_upload(request: Request, services: ServicesDep) -> AsyncIterator[Upload]:
    """One radiograph."""
    async with receive_upload(request, FILE_FIELDS, services.single, services.memory) as upload:
        yield upload


async def get_report_upload(request: Request, services: ServicesDep) -> AsyncIterator[Upload]:
    """One radiograph and the texts to be printed beside it."""
    async with receive_upload(
        request, FILE_FIELDS, services.single, services.memory, REPORT_TEXTS
    ) as upload:
        yield upload


async def get_batch_upload(request: Request, services: ServicesDep) -> AsyncIterator[Upload]:
    """Several radiographs."""
    async with receive_upload(request, BATCH_FIELDS, services.batch, services.memory) as upload:
        rate_limits.charge_files(services.limiter, request, len(upload.files))
        yield upload


UploadDep = Annotated[Upload, Depends(get_upload, scope="function")]
ReportUploadDep = Annotated[Upload, Depends(get_report_upload, scope="function")]
BatchUploadDep = Annotated[Upload, Depends(get_batch_upload, scope="function")]
