"""One table from exception to status, and RFC 9457 problem+json for every error.

No answer shows a path, a trace, a library's message or anything of the request's content.
"""

from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service import errors as refusals
from service import imaging
from service.i18n import Language, negotiated, texts
from service.inference import BundleError, NotExplainableError
from service.observability.record import note_problem

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:problem-type:pneumonia-xray:"


class Problem(BaseModel):
    """What went wrong, as RFC 9457 problem details."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(
        description="Identifies the kind of problem; ends in `code`.",
        examples=[TYPE_PREFIX + "corrupt_image"],
    )
    title: str = Field(
        description="Short name of the problem, the same each time.", examples=["Corrupt image"]
    )
    status: int = Field(
        ge=400, le=599, description="The HTTP status of the answer.", examples=[422]
    )
    detail: str = Field(
        description="One sentence for the person who sent the request.",
        examples=["The image is damaged or cut short. Please export it again."],
    )
    code: str = Field(
        description="Stable name of the reason, for programs.", examples=["corrupt_image"]
    )
    request_id: str = Field(
        description="Name of this request; also in the header X-Request-ID.",
        examples=["5f2b8a0c9d3e4f61a7b8c9d0e1f20314"],
    )


PROBLEMS: Final[Mapping[type[Exception], tuple[int, str]]] = {
    refusals.MalformedRequestError: (400, "Not valid HTTP"),
    refusals.NotMultipartError: (400, "Not a file upload"),
    refusals.MalformedMultipartError: (400, "Malformed upload"),
    refusals.MissingFileError: (400, "No file in the upload"),
    refusals.SeveralFilesError: (400, "Several files where one is expected"),
    refusals.TooManyFilesError: (400, "Too many files"),
    refusals.UnauthorizedError: (401, "Key missing or not valid"),
    refusals.NotFoundError: (404, "Nothing at this address"),
    refusals.MethodNotAllowedError: (405, "Method not allowed"),
    refusals.UploadTooSlowError: (408, "Upload too slow"),
    refusals.FileTooLargeError: (413, "Upload too large"),
    imaging.UnsupportedFormatError: (415, "Not an image format that is read here"),
    refusals.EmptyFileError: (422, "Empty file"),
    imaging.CorruptImageError: (422, "Corrupt image"),
    imaging.TooManyPixelsError: (422, "Too many pixels"),
    imaging.SeveralFramesError: (422, "Several frames"),
    imaging.UnusableRadiographError: (422, "Not a usable radiograph"),
    imaging.ImagingError: (422, "Unreadable image"),
    refusals.NotExplainableError: (422, "No map for this model"),
    refusals.InvalidFieldError: (422, "Invalid form field"),
    refusals.InvalidRequestError: (422, "Invalid request"),
    refusals.ClientGoneError: (499, "Client closed the connection"),
    refusals.InternalError: (500, "Internal error"),
    refusals.QueueFullError: (503, "Queue full"),
    refusals.WaitTooLongError: (503, "Waited too long"),
    refusals.UploadsFullError: (503, "Too many uploads at once"),
    refusals.ShuttingDownError: (503, "Shutting down"),
    refusals.ModelNotReadyError: (503, "Model not ready"),
    refusals.ModelUnavailableError: (503, "Model unavailable"),
    refusals.OutOfMemoryError: (503, "Out of memory"),
}

CODES: Final = frozenset(kind.code for kind in PROBLEMS)  # type: ignore[attr-defined]
"""Every reason that an answer may give."""


def problem_of(error: Exception, request_id: str, language: Language = "en") -> Problem:
    """Describe an exception to the client, by the table, and in another language if asked for."""
    known = _presentable(error)
    note_problem(known.code)
    status, title = _row(type(known))
    detail = known.message
    if language != "en":
        told = texts(language)["problems"]
        title = told[f"{known.code}.title"]
        detail = told[f"{known.code}.detail"].format(detail=detail)
    return Problem(
        type=TYPE_PREFIX + known.code,
        title=title,
        status=status,
        detail=detail,
        code=known.code,
        request_id=request_id,
    )


def problem_response(error: Exception, request_id: str, language: Language = "en") -> Response:
    """The answer that an exception becomes, with Retry-After and Allow where they belong."""
    problem = problem_of(error, request_id, language)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    headers["Content-Language"] = language
    retry_after_s = getattr(_presentable(error), "retry_after_s", None)
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every foreseen exception of the application by the table."""

    async def answer(request: Request, error: Exception) -> Response:
        language = negotiated(request.headers.get("accept-language"))
        return problem_response(error, request.state.request_id, language)

    foreseen = (BundleError, NotExplainableError, MemoryError, HTTPException)
    for kind in (*PROBLEMS, *foreseen, RequestValidationError):
        app.add_exception_handler(kind, answer)


def _row(kind: type[Exception]) -> tuple[int, str]:
    """The table's row for a class or the nearest class above it."""
    return next(PROBLEMS[ancestor] for ancestor in kind.__mro__ if ancestor in PROBLEMS)


def _presentable(error: Exception) -> refusals.RefusalError | imaging.ImagingError:
    """The error itself when its message was written for clients, else one that stands for it."""
    match error:
        case imaging.ImagingError() | refusals.RefusalError():
            return error
        case BundleError():  # a network gave no probability for this very image
            return refusals.ModelUnavailableError(error.message, retry_after_s=60)
        case NotExplainableError():
            return refusals.NotExplainableError(error.message)
        case MemoryError():
            return refusals.OutOfMemoryError(
                "The service is short of memory at the moment. Please try again shortly.",
                retry_after_s=5,
            )
        case HTTPException() | RequestValidationError():
            return _of_framework(error)
        case _:
            return refusals.InternalError(
                "Something went wrong inside the service. The radiograph was not screened."
            )


def _of_framework(error: HTTPException | RequestValidationError) -> refusals.RefusalError:
    """What stands for the framework's own errors, whose text may repeat the request."""
    match error:
        case HTTPException(status_code=404):
            return refusals.NotFoundError(
                "There is nothing at this address; /docs lists what is served."
            )
        case HTTPException(status_code=405):
            return refusals.MethodNotAllowedError(
                "This address does not answer that method; /docs lists those it does."
            )
        case _:
            return refusals.InvalidRequestError(
                "The request is not of the form that /docs describes."
            )
