"""X-ray in, one page to file out."""

from datetime import UTC, datetime
from functools import partial

from fastapi import Request
from starlette.responses import Response

from service import errors
from service.api.dependencies import (
    ChosenLanguageDep,
    ClientDep,
    PrevalenceQuery,
    ReportUploadDep,
    RequestIdDep,
    ScreeningDep,
    ServicesDep,
    upload_router,
)
from service.api.disconnect import cancel_on_disconnect
from service.api.documentation import (
    FILE_PROBLEMS,
    file_answer,
    file_upload,
    problems,
)
from service.i18n import Language
from service.report import MAX_NOTE, MAX_REFERENCE, make_report
from service.screening.screen import Screening

router = upload_router()


@router.post(
    "/report",
    operation_id="makeReport",
    summary="Make a report to file",
    response_description="A PDF of one A4 page.",
    response_class=Response,
    responses={
        **file_answer("application/pdf"),
        **problems(*FILE_PROBLEMS, errors.InvalidFieldError),
    },
    openapi_extra=file_upload(
        field="file",
        description="One chest X-ray, as for `/v1/predict`.",
        texts={
            "reference": {
                "type": "string",
                "maxLength": MAX_REFERENCE,
                "description": "Your own name for the patient or the examination. It is "
                "printed; it is neither kept nor logged.",
            },
            "note": {
                "type": "string",
                "maxLength": MAX_NOTE,
                "description": "A note of your own; printed like `reference`.",
            },
        },
    ),
)
async def report(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    screening: ScreeningDep,
    upload: ReportUploadDep,
    request_id: RequestIdDep,
    language: ChosenLanguageDep,
    prevalence: PrevalenceQuery = None,
) -> Response:
    """The verdict with its radiograph, its map, what identifies image and model, and its limits.

    Nothing is invented: what the model's manifest does not state is reported as unknown.
    """
    work = partial(
        _make,
        screening,
        upload.files[0],
        prevalence=prevalence,
        lang=language,
        request_id=request_id,
        made_at=datetime.now(UTC).astimezone(),
        reference=upload.texts.get(b"reference", ""),
        note=upload.texts.get(b"note", ""),
    )
    async with cancel_on_disconnect(request):
        sha256, document = await services.admission.run(work, client)
    headers = {
        "Content-Language": language,
        # A part of the digest: a file's own name, or the reference, may be a patient's.
        "Content-Disposition": f'attachment; filename="pneumonia-xray-{sha256[:8]}.pdf"',
    }
    return Response(document, headers=headers, media_type="application/pdf")


def _make(
    screening: Screening,
    data: bytes,
    *,
    prevalence: float | None,
    lang: Language,
    request_id: str,
    made_at: datetime,
    reference: str,
    note: str,
) -> tuple[str, bytes]:
    """The digest of the file and the report on it."""
    result = screening.explain_if_possible(data, prevalence=prevalence)
    document = make_report(
        result,
        screening.ensemble.bundle,
        lang=lang,
        request_id=request_id,
        made_at=made_at,
        reference=reference,
        note=note,
    )
    return result.verdict.image.sha256, document
