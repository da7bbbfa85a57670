"""DICOM in, results for the PACS out."""

from datetime import UTC, datetime
from functools import partial

from fastapi import Request
from starlette.responses import Response

from service import errors
from service.api.dependencies import (
    ChosenLanguageDep,
    ClientDep,
    PrevalenceQuery,
    RequestIdDep,
    ScreeningDep,
    ServicesDep,
    UploadDep,
    upload_router,
)
from service.api.disconnect import cancel_on_disconnect
from service.api.documentation import (
    FILE_PROBLEMS,
    file_answer,
    file_upload,
    problems,
)
from service.hospital.results import ResultOptions, as_file, check_is_dicom, related, results_of
from service.screening.screen import Screening

router = upload_router()


@router.post(
    "/dicom/report",
    operation_id="makeDicomResults",
    summary="Make DICOM results for the PACS",
    response_description="Each part is a DICOM file: a structured report, the report as PDF, the "
    "radiograph with its map, and a segmentation of the lungs if the model finds them.",
    response_class=Response,
    responses={
        **file_answer("multipart/related"),
        **problems(*FILE_PROBLEMS, errors.NotDicomError),
    },
    openapi_extra=file_upload(field="file", description="One chest X-ray as a DICOM file."),
)
async def dicom_report(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    screening: ScreeningDep,
    upload: UploadDep,
    request_id: RequestIdDep,
    language: ChosenLanguageDep,
    prevalence: PrevalenceQuery = None,
) -> Response:
    """The verdict as DICOM objects in the study of the file, under its patient.

    They are marked as unverified. Sent again, the same file gives objects with the same UIDs, so
    that a PACS keeps one of each.
    """
    work = partial(
        _make,
        screening,
        upload.files[0],
        prevalence=prevalence,
        options=ResultOptions(uid_root=services.uid_root, language=language),
        request_id=request_id,
    )
    async with cancel_on_disconnect(request):
        kind, body = await services.admission.run(work, client)
    return Response(body, media_type=kind, headers={"Content-Language": language})


def _make(
    screening: Screening,
    data: bytes,
    *,
    prevalence: float | None,
    options: ResultOptions,
    request_id: str,
) -> tuple[str, bytes]:
    check_is_dicom(data)
    result = screening.explain_if_possible(data, prevalence=prevalence)
    results = results_of(
        data,
        result,
        screening.ensemble.bundle,
        options,
        made_at=datetime.now(UTC).astimezone(),
        request_id=request_id,
    )
    return related(as_file(each) for each in results)
