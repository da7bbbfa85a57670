"""X-ray in, its picture out, for browsers that cannot show the file."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service import errors
from service.api.dependencies import BEFORE_UPLOAD, ScreeningDep, ServicesDep, UploadDep
from service.api.disconnect import cancel_on_disconnect
from service.api.documentation import (
    BINARY,
    IMAGE_PROBLEMS,
    SUCCESS,
    UPLOAD_PROBLEMS,
    file_upload,
    problems,
)
from service.screening.overlay import LONGEST_SIDE, as_png, frame
from service.screening.screen import Screening

router = APIRouter(tags=["screening"], dependencies=BEFORE_UPLOAD)

MAX_LONGEST_SIDE: Final = 4096
"""Pixels; more than most detectors have. What is larger would only take longer to send."""


@router.post(
    "/preview",
    operation_id="previewRadiograph",
    summary="Show one chest X-ray as it is read",
    response_description="The decoded radiograph.",
    response_class=Response,
    responses={
        200: {
            **SUCCESS[200],
            "content": {"image/png": BINARY},
        },
        **problems(
            *UPLOAD_PROBLEMS,
            errors.SeveralFilesError,
            *IMAGE_PROBLEMS,
            errors.InvalidRequestError,
        ),
    },
    openapi_extra=file_upload(field="file", description="One chest X-ray, as for `/v1/predict`."),
)
async def preview(
    request: Request,
    services: ServicesDep,
    screening: ScreeningDep,
    upload: UploadDep,
    longest: Annotated[
        int,
        Query(
            ge=1,
            le=MAX_LONGEST_SIDE,
            description="Most pixels of the longer side; a smaller radiograph is not enlarged.",
        ),
    ] = LONGEST_SIDE,
) -> Response:
    """Browsers show no TIFF or DICOM, and few show 16-bit pictures as meant. No verdict is made."""
    work = services.admission.run(lambda: _picture(screening, upload.files[0], longest))
    picture = await cancel_on_disconnect(request, work)
    return Response(picture, media_type="image/png")


def _picture(screening: Screening, data: bytes, longest: int) -> bytes:
    return as_png(frame(screening.view(data), longest=longest))
