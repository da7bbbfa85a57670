"""X-ray in, verdict out: one file, or a batch."""

from functools import partial

from fastapi import APIRouter, Request, Response

from service import errors as refusals
from service.api.problems import problem_of
from service.api.routes.client import unless_gone
from service.api.routes.deps import SINGLE_FIELD, visiting
from service.api.routes.documentation import (
    IMAGE_PROBLEMS,
    SUCCESS,
    UPLOAD_PROBLEMS,
    file_upload,
    problems,
)
from service.api.routes.straight import StraightRoute
from service.api.schemas import Batch, BatchError, BatchVerdict, Screened, screened_json
from service.api.uploads import MAX_BATCH_FILES, received_form

router = APIRouter(tags=["screening"], route_class=StraightRoute)

BATCH_FIELDS = frozenset({b"files", b"file"})


@router.post(
    "/predict",
    response_model=Screened,
    summary="Screen one chest X-ray",
    response_description="The verdict.",
    responses={
        **SUCCESS,
        **problems(*UPLOAD_PROBLEMS, refusals.SeveralFilesError, *IMAGE_PROBLEMS),
    },
    openapi_extra=file_upload(
        field="file",
        description="One chest X-ray as JPEG, PNG, WebP, BMP or TIFF, recognised by its "
        "content. Its name is not read.",
    ),
)
async def predict(
    request: Request,
    response: Response,
) -> bytes:
    """Send one radiograph in the form field `file`; the answer says how probable pneumonia is.

    This supports a decision; it is not a diagnosis.
    """
    visit = visiting(request, response)
    services = visit.services
    async with received_form(request, SINGLE_FIELD, services.single, services.memory) as upload:
        [data] = upload.files
        work = services.admission.run(partial(visit.screening.screen, data))
        verdict = await unless_gone(request, work)
    return screened_json(verdict, visit.request_id, visit.language)


@router.post(
    "/predict/batch",
    response_model=Batch,
    summary="Screen several chest X-rays",
    response_description="A verdict or a problem for each file, in the order of the upload.",
    responses={
        **SUCCESS,
        **problems(*UPLOAD_PROBLEMS, refusals.TooManyFilesError),
    },
    openapi_extra=file_upload(
        field="files",
        description="Chest X-rays as for `/predict`; the field is repeated for each. "
        "`file` is taken as its name too.",
        most=MAX_BATCH_FILES,
    ),
)
async def predict_batch(
    request: Request,
    response: Response,
) -> bytes:
    """Send up to 32 radiographs, each in a form field `files`.

    A file that cannot be read has its problem in its place, and the others their verdicts: the
    status is 200 when the upload as a whole was in order.
    """
    visit = visiting(request, response)
    services, request_id, language = visit.services, visit.request_id, visit.language
    async with received_form(request, BATCH_FIELDS, services.batch, services.memory) as upload:
        work = services.admission.run_all(
            [partial(visit.screening.screen, data) for data in upload.files]
        )
        outcomes = await unless_gone(request, work)
    batch = Batch(
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
    return batch.model_dump_json().encode()
