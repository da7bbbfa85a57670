"""RFC 9457 problem+json for every error.

No answer shows a path, a trace, a library's message or anything of the request's content.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service import errors
from service.errors import ServiceError
from service.i18n import LANGUAGES, Language, negotiate_language, texts
from service.observability.record import note_problem

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:problem-type:pneumonia-xray:"


class Answer(BaseModel):
    """An answer of the service: exactly the fields that are described."""

    # The document leaves it open: a client made from it must bear the fields of later versions.
    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_extra=lambda schema: schema.pop("additionalProperties", None),
    )


class InvalidParameter(Answer):
    """A parameter that was refused."""

    loc: list[str] = Field(description="Where it stands and what it is called.")
    detail: str = Field(description="What it must be, for people.")


class Problem(Answer):
    """What went wrong, as RFC 9457 problem details."""

    type: str = Field(description="Identifies the kind of problem; ends in `code`.")
    title: str = Field(description="Short name of the problem, the same each time.")
    status: int = Field(ge=400, le=599, description="The HTTP status of the answer.")
    detail: str = Field(description="One sentence for the person who sent the request.")
    code: str = Field(description="Stable name of the reason, for programs.")
    request_id: str = Field(description="Name of this request; also in the header X-Request-ID.")
    errors: list[InvalidParameter] = Field(
        default=[],
        exclude_if=lambda parameters: not parameters,
        description="The parameters that were refused; only with the code `invalid_request`.",
    )


def known_errors(base: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Every error that the service may answer with, in no particular order."""
    for kind in base.__subclasses__():
        yield kind
        yield from known_errors(kind)


def problem_of(error: Exception, request_id: str, language: Language = "en") -> Problem:
    """Describe an exception to the client in a language."""
    known = _presentable(error)
    note_problem(known.code)
    title, detail = known.title, known.message
    if language != "en":
        catalogue = texts(language)["problems"]
        title = catalogue[f"{known.code}.title"]
        detail = catalogue[f"{known.code}.{known.text_key}"].format(detail=detail)
    return Problem(
        type=TYPE_PREFIX + known.code,
        title=title,
        status=known.status,
        detail=detail,
        code=known.code,
        request_id=request_id,
        errors=_parameters(error, language),
    )


def problem_response(error: Exception, request_id: str, language: Language = "en") -> Response:
    """The answer to an exception, with the headers that belong to its status."""
    known = _presentable(error)
    problem = problem_of(error, request_id, language)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    headers["Content-Language"] = language
    if known.retry_after_s is not None:
        headers["Retry-After"] = str(known.retry_after_s)
    if known.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pneumonia-xray"'
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every expected exception with problem+json."""

    async def answer(request: Request, error: Exception) -> Response:
        preferred = negotiate_language(request.headers.get("accept-language"))
        # A route whose answer has a language of its own is asked for it by the query.
        asked = request.query_params.get("lang")
        language = next((one for one in LANGUAGES if one == asked), preferred)
        return problem_response(error, request.state.request_id, language)

    for kind in (ServiceError, MemoryError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)


_PARAMETERS: Final = {
    "missing": "It is missing.",
    "choice": "It must be one of {expected}.",
    "number": "It must be a number.",
    "above": "It must be more than {gt}.",
    "below": "It must be less than {lt}.",
    "least": "It must be at least {ge}.",
    "most": "It must be at most {le}.",
    "other": "It is not of the form that /docs describes.",
}
_PARAMETER_KEYS: Final = {
    "missing": "missing",
    "literal_error": "choice",
    "enum": "choice",
    "float_parsing": "number",
    "float_type": "number",
    "finite_number": "number",
    "int_parsing": "number",
    "greater_than": "above",
    "less_than": "below",
    "greater_than_equal": "least",
    "less_than_equal": "most",
}
"""By pydantic's names. Its own sentences may repeat the request, and are in English only."""


def _parameters(error: Exception, language: Language) -> list[InvalidParameter]:
    """The parameters that a validation error is about, without the values that were sent."""
    if not isinstance(error, RequestValidationError):
        return []
    catalogue: Mapping[str, str] = _PARAMETERS
    if language != "en":
        own = texts(language)["problems"]
        catalogue = {key: own[f"invalid_request.parameter.{key}"] for key in _PARAMETERS}
    found = []
    for wrong in error.errors():
        context = dict(wrong.get("ctx", {}))
        if "expected" in context:
            context["expected"] = context["expected"].replace(" or ", ", ")
        detail = catalogue[_PARAMETER_KEYS.get(wrong["type"], "other")].format(**context)
        found.append(InvalidParameter(loc=[str(part) for part in wrong["loc"]], detail=detail))
    return found


def _presentable(error: Exception) -> ServiceError:
    """The error itself if its message was written for clients, else one that stands for it."""
    match error:
        case ServiceError():
            return error
        case MemoryError():
            return errors.OutOfMemoryError(
                "The service is short of memory at the moment. Please try again shortly."
            )
        case HTTPException(status_code=404):
            return errors.NotFoundError(
                "There is nothing at this address; /docs lists what is served."
            )
        case HTTPException(status_code=405):
            return errors.MethodNotAllowedError(
                "This address does not answer that method; /docs lists those it does."
            )
        case HTTPException() | RequestValidationError():
            # Their own text may repeat the request.
            return errors.InvalidRequestError(
                "The request is not of the form that /docs describes."
            )
        case _:
            return errors.InternalError(
                "Something went wrong inside the service. The radiograph was not screened."
            )
