"""X-ray in, its picture out, for browsers that cannot show the file."""

import io
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from service import refusals
from service.overlay import LONGEST_SIDE, frame
from service.routes.client import unless_gone
from service.routes.deps import AdmittedScreeningDep, ServicesDep
from service.routes.documentation import BINARY, SUCCESS, file_upload, problems
from service.routes.predict import IMAGE_PROBLEMS, SINGLE_FIELD, UPLOAD_PROBLEMS
from service.screening import Screening
from service.uploads import received_files

router = APIRouter(tags=["screening"])

_QUICK: Final = 1
"""zlib's fastest level: the smaller file of a higher one takes longer to make than to send."""


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
async def preview(
    request: Request, services: ServicesDep, screening: AdmittedScreeningDep
) -> Response:
    """Browsers show no TIFF, and few show 16-bit pictures as they are meant. No verdict is made."""
    async with received_files(request, SINGLE_FIELD, services.single, services.memory) as [data]:
        work = services.admission.run(lambda: _picture(screening, data))
        picture = await unless_gone(request, work)
    return Response(picture, media_type="image/png")


def _picture(screening: Screening, data: bytes) -> bytes:
    buffer = io.BytesIO()
    frame(screening.view(data)).save(buffer, "PNG", compress_level=_QUICK)
    return buffer.getvalue()
