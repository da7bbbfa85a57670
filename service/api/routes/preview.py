"""X-ray in, its picture out, for browsers that cannot show the file."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from service import errors as refusals
from service.api.routes.client import unless_gone
from service.api.routes.deps import SINGLE_FIELD, visiting
from service.api.routes.documentation import (
    BINARY,
    IMAGE_PROBLEMS,
    SUCCESS,
    UPLOAD_PROBLEMS,
    file_upload,
    problems,
)
from service.api.uploads import received_form
from service.screening.overlay import LONGEST_SIDE, as_png, frame
from service.screening.screen import Screening

router = APIRouter(tags=["screening"])


@router.post(
    "/preview",
    summary="Show one chest X-ray as it is read",
    response_description=f"The decoded radiograph, its longer side {LONGEST_SIDE} pixels at most.",
    response_class=Response,
    responses={
        200: {
            **SUCCESS[200],
            "content": {"image/png": BINARY},
        },
        **problems(*UPLOAD_PROBLEMS, refusals.SeveralFilesError, *IMAGE_PROBLEMS),
    },
    openapi_extra=file_upload(field="file", description="One chest X-ray, as for `/predict`."),
)
async def preview(request: Request, response: Response) -> Response:
    """Browsers show no TIFF, and few show 16-bit pictures as they are meant. No verdict is made."""
    visit = visiting(request, response)
    services = visit.services
    async with received_form(request, SINGLE_FIELD, services.single, services.memory) as upload:
        [data] = upload.files
        work = services.admission.run(lambda: _picture(visit.screening, data))
        picture = await unless_gone(request, work)
    return Response(picture, media_type="image/png")


def _picture(screening: Screening, data: bytes) -> bytes:
    return as_png(frame(screening.view(data)))
