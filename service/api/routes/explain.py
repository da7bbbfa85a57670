"""X-ray in, reasons out: where the networks found what their verdict rests on."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service import errors
from service.api.dependencies import (
    BEFORE_UPLOAD,
    LanguageDep,
    PrevalenceQuery,
    RequestIdDep,
    ScreeningDep,
    ServicesDep,
    UploadDep,
)
from service.api.disconnect import cancel_on_disconnect
from service.api.documentation import (
    BINARY,
    IMAGE_PROBLEMS,
    SUCCESS,
    UPLOAD_PROBLEMS,
    file_upload,
    problems,
)
from service.api.explained import Explained
from service.i18n import Language
from service.inference import NotExplainableError
from service.screening.overlay import OPACITY, as_png, frame, map_layer, overlay
from service.screening.screen import Screening

router = APIRouter(tags=["screening"], dependencies=BEFORE_UPLOAD)

Layer = Literal["both", "map"]


@router.post(
    "/explain",
    summary="Show what a verdict rests on",
    response_description="The radiograph with its class activation map, or the map in figures.",
    response_class=Response,
    responses={
        200: {**SUCCESS[200], "content": {"image/png": BINARY}, "model": Explained},
        **problems(
            *UPLOAD_PROBLEMS,
            errors.SeveralFilesError,
            *IMAGE_PROBLEMS,
            NotExplainableError,
            errors.InvalidRequestError,
        ),
    },
    openapi_extra=file_upload(field="file", description="One chest X-ray, as for `/predict`."),
)
async def explain(
    request: Request,
    services: ServicesDep,
    screening: ScreeningDep,
    upload: UploadDep,
    request_id: RequestIdDep,
    language: LanguageDep,
    form: Annotated[
        Literal["png", "json"],
        Query(alias="format", description="A picture, or the maps in figures with the verdict."),
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

    It outlines no lesion and is not a finding; what speaks against pneumonia is left without
    colour. The colours mean the same on every radiograph. With a model that finds the lungs, the
    map lies on the lungs only, and white lines show where the model took them to be. The picture's
    longer side is at most 1024 pixels, and nothing of the file's metadata is in it.
    """
    data = upload.files[0]
    if form == "json":
        work = partial(_figures, screening, data, prevalence, request_id, language)
    else:
        work = partial(_picture, screening, data, layer, opacity, outlines)
    return await cancel_on_disconnect(request, services.admission.run(work))


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
