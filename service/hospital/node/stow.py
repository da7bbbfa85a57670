"""STOW-RS: images come in over HTTP (PS3.18 10.5)."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from service import errors
from service.api.documentation import problems
from service.hospital.node.dicomweb import FAILED_SEQUENCE, JSON
from service.hospital.node.intake import Intake, Taken
from service.hospital.node.multipart import MultipartError, Parts, boundary_of

RETRY_AFTER_S: Final = 60
STORED_SEQUENCE: Final = "00081199"

router = APIRouter(prefix="/dicomweb", tags=["dicomweb"])


class StowResponse(JSONResponse):
    """The DICOM JSON model."""

    media_type = JSON


async def get_intake(request: Request) -> Intake:
    """What takes images in."""
    intake: Intake = request.app.state.intake
    return intake


IntakeDep = Annotated[Intake, Depends(get_intake)]

_REFUSALS = problems(
    errors.NotMultipartError,
    errors.MalformedMultipartError,
    errors.MissingFileError,
    errors.UploadTooSlowError,
    errors.FileTooLargeError,
    errors.QueueFullError,
    errors.UploadsFullError,
)


@router.post("/studies", response_class=StowResponse, responses=_REFUSALS)
async def store(request: Request, intake: IntakeDep) -> StowResponse:
    """Take in DICOM files as ``multipart/related; type="application/dicom"``.

    200 if all were taken in, 202 if some were, 409 if none was; the answer names each.
    """
    return await _store(request, intake, None)


@router.post("/studies/{study}", response_class=StowResponse, responses=_REFUSALS)
async def store_study(request: Request, study: str, intake: IntakeDep) -> StowResponse:
    """The same for the images of one study; those of others are not taken in."""
    return await _store(request, intake, study)


async def _store(request: Request, intake: Intake, study: str | None) -> StowResponse:
    with intake.upload():
        taken = [
            await run_in_threadpool(intake.take_file, part, study)
            async for part in _parts(request, intake)
        ]
    if not taken:
        raise errors.MissingFileError("The body holds no DICOM file.")
    failed = [each for each in taken if not each.accepted]
    if len(failed) == len(taken) and all(each.is_for_lack_of_room for each in failed):
        raise errors.QueueFullError(
            "There is no room for more images. Please try again later.",
            retry_after_s=RETRY_AFTER_S,
        )
    status = 200 if not failed else 202 if len(failed) < len(taken) else 409
    return StowResponse(_answer(taken), status)


async def _parts(request: Request, intake: Intake) -> AsyncIterator[bytes]:
    """The parts of the body, each whole, one after another.

    Raises:
        ServiceError: The body is malformed, too large or too slow.
    """
    try:
        parts = Parts(
            boundary_of(request.headers.get("content-type", "")), max_bytes=intake.max_bytes
        )
    except MultipartError:
        raise errors.NotMultipartError(
            'The body must be multipart/related; type="application/dicom".'
        ) from None
    start, received = time.monotonic(), 0
    chunks = request.stream()
    try:
        while True:
            allowed = intake.upload_seconds + received / intake.bytes_per_second
            left = start + allowed - time.monotonic()
            chunk = await asyncio.wait_for(anext(chunks, None), max(0.0, left))
            if chunk is None:
                break
            received += len(chunk)
            for part in parts.feed(chunk):
                yield part
        parts.close()
    except TimeoutError:
        raise errors.UploadTooSlowError("The upload was too slow.") from None
    except ClientDisconnect:
        raise errors.ClientGoneError("The client closed the connection.") from None
    except MultipartError as error:
        if error.too_large:
            raise errors.FileTooLargeError("A file of the upload is too large.") from None
        raise errors.MalformedMultipartError("The body is not valid multipart/related.") from None


def _answer(taken: list[Taken]) -> dict[str, Any]:
    """The dataset of PS3.18 table I.2.2-1, in the DICOM JSON model."""
    answer: dict[str, Any] = {"00081190": {"vr": "UR"}}
    stored = [_reference(each) for each in taken if each.accepted]
    failed = [
        {**_reference(each), "00081197": {"vr": "US", "Value": [each.reason]}}
        for each in taken
        if not each.accepted
    ]
    if stored:
        answer[STORED_SEQUENCE] = {"vr": "SQ", "Value": stored}
    if failed:
        answer[FAILED_SEQUENCE] = {"vr": "SQ", "Value": failed}
    return answer


def _reference(taken: Taken) -> dict[str, Any]:
    return {
        "00081150": _uid(taken.sop_class),
        "00081155": _uid(taken.sop_instance),
    }


def _uid(value: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]} if value else {"vr": "UI"}
