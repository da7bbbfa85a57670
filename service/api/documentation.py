"""How routes describe their uploads and their problems in the OpenAPI document."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from service import errors, imaging
from service.api.examples import EXAMPLES, REQUEST_ID
from service.api.problems import MEDIA_TYPE, TYPE_PREFIX, Problem
from service.errors import ServiceError

Responses = dict[int | str, dict[str, Any]]

_REQUEST_ID_HEADER = {
    "X-Request-ID": {
        "description": "Name of this request: the client's own if it sent a safe one.",
        "schema": {"type": "string"},
    }
}
_RETRY_AFTER_HEADER = {
    "Retry-After": {
        "description": "Seconds after which the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
    }
}

SUCCESS: Responses = {200: {"headers": _REQUEST_ID_HEADER}}


BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
"""The content of an answer that is a file, under its media type."""

FHIR: Final[dict[str, Any]] = {
    "schema": {
        "type": "object",
        "description": "A DiagnosticReport of HL7 FHIR R4 with an Observation (probability, "
        "interpretation, warnings as notes) and the Device that is the model. It names no patient.",
        "required": ["resourceType", "status", "code", "contained", "result", "conclusion"],
        "properties": {
            "resourceType": {"const": "DiagnosticReport"},
            "status": {"const": "preliminary"},
            "code": {"type": "object"},
            "contained": {"type": "array", "items": {"type": "object"}},
            "result": {"type": "array", "items": {"type": "object"}},
            "conclusion": {"type": "string"},
        },
    }
}
"""The content of an answer in FHIR."""

RAW_BODIES: Final = ("image/*", "application/dicom")
"""Media types of a body that is the file itself."""

IMAGE_PROBLEMS: Final = (
    imaging.UnsupportedFormatError,
    errors.EmptyFileError,
    imaging.CorruptImageError,
    imaging.TooManyPixelsError,
    imaging.SeveralFramesError,
    imaging.UnusableRadiographError,
    errors.NotAChestRadiographError,
)
"""What may be wrong with one image."""

UPLOAD_PROBLEMS: Final = (
    errors.NotMultipartError,
    errors.MalformedMultipartError,
    errors.MissingFileError,
    errors.UploadTooSlowError,
    errors.FileTooLargeError,
    errors.QueueFullError,
    errors.WaitTooLongError,
    errors.UploadsFullError,
    errors.OutOfMemoryError,
    errors.AuditUnavailableError,
    errors.ShuttingDownError,
    errors.ModelNotReadyError,
    errors.ModelUnavailableError,
)
"""What may be wrong with an upload, or with the moment it comes at."""

FILE_PROBLEMS: Final = (
    *UPLOAD_PROBLEMS,
    errors.SeveralFilesError,
    *IMAGE_PROBLEMS,
    errors.InvalidRequestError,
)
"""What may be wrong with the upload of one image."""


def problems(*kinds: type[ServiceError]) -> Responses:
    """The ``responses`` of a route that may answer these problems, grouped by status."""
    responses: Responses = {}
    for kind in kinds:
        response = responses.setdefault(kind.status, _response(kind.status))
        response["description"] = ", ".join(filter(None, (response["description"], kind.title)))
        response["content"][MEDIA_TYPE]["examples"][kind.code] = _example(kind)
    return responses


def file_upload(
    *,
    field: str,
    description: str,
    most: int | None = None,
    texts: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads its multipart body itself.

    Args:
        field: Name of the form field.
        description: What to put in it.
        most: The most files for a field that takes several; None for a single file.
        texts: Schemas of the text fields that may stand beside it, by name.
    """
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    schema = {**file, "description": description}
    if most is not None:
        schema = {
            "type": "array",
            "items": file,
            "minItems": 1,
            "maxItems": most,
            "description": description,
        }
    form = {"type": "object", "required": [field], "properties": {field: schema, **texts}}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if most is None and not texts:
        content |= {kind: {"schema": file} for kind in RAW_BODIES}
    return {"requestBody": {"required": True, "content": content}}


ONE_FILE: Final = file_upload(field="file", description="One chest X-ray, as for `/v1/predict`.")


def file_answer(media_type: str) -> Responses:
    """The ``responses`` of a route whose answer is a file."""
    return {200: {**SUCCESS[200], "content": {media_type: BINARY}}}


def _response(status: int) -> dict[str, Any]:
    headers = _REQUEST_ID_HEADER | (_RETRY_AFTER_HEADER if status in {429, 503} else {})
    # FastAPI's ``model`` would say application/json. The component is there: batches refer to it.
    content = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}, "examples": {}}
    return {"description": "", "headers": headers, "content": {MEDIA_TYPE: content}}


def _example(kind: type[ServiceError]) -> dict[str, Any]:
    value = EXAMPLES["problems"].get(kind.code)
    if value is None:  # it has not been provoked yet
        value = {
            "type": TYPE_PREFIX + kind.code,
            "title": kind.title,
            "status": kind.status,
            "detail": (kind.__doc__ or kind.title).splitlines()[0],
            "code": kind.code,
            "request_id": REQUEST_ID,
        }
    return {"summary": kind.title, "value": value}
