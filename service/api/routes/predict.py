"""X-ray in, verdict out: one file, or a batch."""

from datetime import UTC, datetime
from functools import partial

from fastapi import Request
from starlette.responses import JSONResponse, Response

from service import errors
from service.api.accept import prefers
from service.api.dependencies import (
    BatchUploadDep,
    ClientDep,
    LanguageDep,
    PrevalenceQuery,
    RequestIdDep,
    ScreeningDep,
    ServicesDep,
    UploadDep,
    upload_router,
)
from service.api.disconnect import cancel_on_disconnect
from service.api.documentation import (
    FHIR,
    FILE_PROBLEMS,
    SUCCESS,
    UPLOAD_PROBLEMS,
    file_upload,
    problems,
)
from service.api.problems import problem_of
from service.api.schemas import Batch, BatchError, BatchVerdict, Screened
from service.api.uploads import MAX_BATCH_FILES
from service.hospital.results import fhir

router = upload_router()


@router.post(
    "/predict",
    operation_id="screenRadiograph",
    summary="Screen one chest X-ray",
    response_model=Screened,
    response_description="The verdict; with `Accept: application/fhir+json`, a FHIR R4 "
    "DiagnosticReport that contains the same.",
    responses={
        200: {**SUCCESS[200], "content": {fhir.MEDIA_TYPE: FHIR}},
        **problems(*FILE_PROBLEMS),
    },
    openapi_extra=file_upload(
        field="file",
        description="One chest X-ray as JPEG, PNG, WebP, BMP, TIFF, JPEG 2000, AVIF or DICOM, "
        "recognised by its content. Its name is not read.",
    ),
)
async def predict(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    screening: ScreeningDep,
    upload: UploadDep,
    request_id: RequestIdDep,
    language: LanguageDep,
    prevalence: PrevalenceQuery = None,
) -> Screened | Response:
    """Send one radiograph in the form field `file`; the answer says how probable pneumonia is.

    This supports a decision; it is not a diagnosis.
    """
    job = partial(screening.screen, upload.files[0], prevalence=prevalence)
    async with cancel_on_disconnect(request):
        verdict = await services.admission.run(job, client)
    if prefers(request.headers.get("accept"), fhir.MEDIA_TYPE):
        report = fhir.diagnostic_report(
            verdict,
            screening.ensemble.bundle.manifest,
            request_id=request_id,
            issued=datetime.now(UTC),
            language=language,
        )
        kind = f"{fhir.MEDIA_TYPE}; fhirVersion={fhir.VERSION}"
        return JSONResponse(report, headers={"Content-Language": language}, media_type=kind)
    return Screened.from_verdict(verdict, request_id, language)


@router.post(
    "/predict/batch",
    operation_id="screenBatch",
    summary="Screen several chest X-rays",
    response_description="A verdict or a problem for each file, in the order of the upload.",
    responses={
        **SUCCESS,
        **problems(*UPLOAD_PROBLEMS, errors.TooManyFilesError, errors.InvalidRequestError),
    },
    openapi_extra=file_upload(
        field="files",
        description="Chest X-rays as for `/v1/predict`; the field is repeated for each. "
        "`file` is accepted as its name, too.",
        most=MAX_BATCH_FILES,
    ),
)
async def predict_batch(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    screening: ScreeningDep,
    upload: BatchUploadDep,
    request_id: RequestIdDep,
    language: LanguageDep,
    prevalence: PrevalenceQuery = None,
) -> Batch:
    """Send up to 32 radiographs, each in a form field `files`.

    A file that cannot be read has its problem in its place, and the others their verdicts: the
    status is 200 when the upload as a whole was in order.
    """
    screen = partial(screening.screen, prevalence=prevalence)
    jobs = [partial(screen, data) for data in upload.files]
    async with cancel_on_disconnect(request):
        outcomes = await services.admission.run_all(jobs, client)
    return Batch(
        results=[
            BatchError(index=index, error=problem_of(outcome, request_id, language))
            if isinstance(outcome, Exception)
            else BatchVerdict(
                index=index, verdict=Screened.from_verdict(outcome, request_id, language)
            )
            for index, outcome in enumerate(outcomes)
        ],
        request_id=request_id,
    )
