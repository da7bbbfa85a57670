"""X-ray in, its picture out, for browsers that cannot show the file."""

from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import Response

from service.api.dependencies import ClientDep, ScreeningDep, ServicesDep, UploadDep, upload_router
from service.api.disconnect import cancel_on_disconnect
from service.api.documentation import FILE_PROBLEMS, ONE_FILE, file_answer, problems
from service.screening.overlay import LONGEST_SIDE, as_png, frame

router = upload_router()

MAX_LONGEST_SIDE: Final = 4096
"""Pixels; more than most detectors have. What is larger would only take longer to send."""


@router.post(
    "/preview",
    operation_id="previewRadiograph",
    summary="Show one chest X-ray as it is read",
    response_description="The decoded radiograph.",
    response_class=Response,
    responses={**file_answer("image/png"), **problems(*FILE_PROBLEMS)},
    openapi_extra=ONE_FILE,
)
async def preview(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
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
    """Few browsers show TIFF, DICOM, or 16-bit pictures as they should. No verdict is made."""
    async with cancel_on_disconnect(request):
        picture = await services.admission.run(
            lambda: as_png(frame(screening.view(upload.files[0]), longest=longest)), client
        )
    return Response(picture, media_type="image/png")
