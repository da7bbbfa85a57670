"""X-ray in, reasons out: where the networks found what their verdict rests on."""

from functools import partial
from typing import Annotated, Final, Literal

from fastapi import Query, Request
from starlette.responses import Response

from service.api.dependencies import (
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
    FILE_PROBLEMS,
    ONE_FILE,
    SUCCESS,
    file_answer,
    problems,
)
from service.api.explained import Explained
from service.i18n import Language
from service.inference import NotExplainableError
from service.screening.overlay import OPACITY, as_png, frame, map_layer, overlay
from service.screening.screen import Screening

router = upload_router()

Layer = Literal["both", "map"]

_PROBLEMS: Final = problems(*FILE_PROBLEMS, NotExplainableError)


@router.post(
    "/explain",
    operation_id="drawExplanation",
    summary="Show what a verdict rests on, as a picture",
    response_description="The radiograph with its class activation map.",
    response_class=Response,
    responses={**file_answer("image/png"), **_PROBLEMS},
    openapi_extra=ONE_FILE,
)
async def explain(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    screening: ScreeningDep,
    upload: UploadDep,
    request_id: RequestIdDep,
    language: LanguageDep,
    form: Annotated[
        Literal["png", "json"],
        # From before /explain/maps, which answers the same: one operation has one kind of answer.
        Query(alias="format", include_in_schema=False),
    ] = "png",
    layer: Annotated[
        Layer,
        Query(description="`both`: the map over the radiograph; `map`: the map alone."),
    ] = "both",
    opacity: Annotated[
        float,
        Query(ge=0, le=1, description="Of the map's colour where the evidence is strongest."),
    ] = OPACITY,
    outlines: Annotated[
        bool, Query(description="Whether white lines show where the model took the lungs to be.")
    ] = True,
    prevalence: PrevalenceQuery = None,
) -> Response:
    """The map shows where the networks found what speaks for pneumonia, on a coarse grid of cells.

    It does not outline lesions and is not a finding; what speaks against pneumonia is left without
    colour. The colours mean the same on every radiograph. With a model that finds the lungs, the
    map lies on the lungs only, and white lines show where the model took them to be. The picture's
    longer side is at most 1024 pixels, and nothing of the file's metadata is in it.
    """
    data = upload.files[0]
    if form == "json":
        work = partial(_figures, screening, data, prevalence, request_id, language)
    else:
        work = partial(_picture, screening, data, layer, opacity, outlines)
    async with cancel_on_disconnect(request):
        return await services.admission.run(work, client)


@router.post(
    "/explain/maps",
    operation_id="explainRadiograph",
    summary="Show what a verdict rests on, in figures",
    response_description="The verdict with the map of each network.",
    response_model=Explained,
    responses={**SUCCESS, **_PROBLEMS},
    openapi_extra=ONE_FILE,
)
async def explain_in_figures(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    screening: ScreeningDep,
    upload: UploadDep,
    request_id: RequestIdDep,
    language: LanguageDep,
    prevalence: PrevalenceQuery = None,
) -> Response:
    """The verdict, the lungs' outlines, and what each cell of the map adds, network by network.

    For programs that draw a map of their own; `/v1/explain` draws it for people.
    """
    work = partial(_figures, screening, upload.files[0], prevalence, request_id, language)
    async with cancel_on_disconnect(request):
        return await services.admission.run(work, client)


def _figures(
    screening: Screening, data: bytes, prevalence: float | None, request_id: str, language: Language
) -> Response:
    explanation = screening.explain(data, prevalence=prevalence)
    answer = Explained.from_explanation(explanation, request_id, language)
    headers = {"Content-Language": language}
    return Response(answer.model_dump_json(), headers=headers, media_type="application/json")


def _picture(
    screening: Screening, data: bytes, layer: Layer, opacity: float, outlines: bool
) -> Response:
    explanation = screening.explain(data)
    if layer == "both":
        picture = overlay(explanation, opacity=opacity, outlines=outlines)
    else:
        size = frame(explanation.radiograph).size
        picture = map_layer(explanation, size, opacity=opacity, outlines=outlines)
    return Response(as_png(picture), media_type="image/png")
