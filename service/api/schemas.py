"""The wire contract: what the service answers, each field described and with an example."""

import dataclasses
from typing import Annotated, Literal, Self

from pydantic import Field

from service.api.problems import Answer, Problem
from service.i18n import Language
from service.inference import Bundle
from service.screening.verdict import Assessment, Caution, Verdict
from service.screening.wording import localise, next_step, scope, summarise, warn

DIGEST = "sha256:9b1c3f0e5d7a42688f1e0c2b4a6d8e9f1a3c5e7092b4d6f80a1c2e3f40516273"
SHA256 = "3f786850e387550fdab836ed7e6dc881de23001b3f786850e387550fdab836ed"

Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
RequestId = Annotated[
    str,
    Field(
        description="Name of this request; also in the header X-Request-ID.",
        examples=["5f2b8a0c9d3e4f61a7b8c9d0e1f20314"],
    ),
]


class MemberProbability(Answer):
    """What one network of the ensemble says, calibrated like the ensemble's probability."""

    name: str = Field(description="Name of the network.", examples=["tuned"])
    probability: Probability = Field(
        description="Its probability of the positive class, rounded to 4 decimals.",
        examples=[0.6012],
    )


class ModelIdentity(Answer):
    """Which model gave the answer."""

    name: str = Field(description="Name of the model.", examples=["paediatric-pneumonia"])
    version: str = Field(description="Its version.", examples=["1.0.0"])
    digest: str = Field(
        description="Identifies the manifest and every network file of the model.",
        examples=[DIGEST],
    )


class ImageIdentity(Answer):
    """Which image the answer is about. The name of the file is neither kept nor repeated."""

    format: str = Field(
        description="Format recognised from the content: JPEG, PNG, WEBP, BMP, TIFF, JPEG2000 or "
        "DICOM.",
        examples=["JPEG"],
    )
    width: int = Field(ge=1, description="Width in pixels, upright.", examples=[1858])
    height: int = Field(ge=1, description="Height in pixels, upright.", examples=[1317])
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 digest of the file as it was received.",
        examples=[SHA256],
    )


class PixelBox(Answer):
    """A part of the upright picture, in its pixels."""

    left: int = Field(description="First column.", examples=[301])
    top: int = Field(description="First row.", examples=[152])
    right: int = Field(description="Column after the last.", examples=[1570])
    bottom: int = Field(description="Row after the last.", examples=[1108])


class Lungs(Answer):
    """Where the lungs are, and how much of what speaks for pneumonia lies in each."""

    found: bool = Field(
        description="Always true: an image without lungs is refused.", examples=[True]
    )
    box: PixelBox = Field(description="Around both lungs.")
    area_share: Share = Field(description="Of both lungs in the image.", examples=[0.3127])
    left_evidence: Share | None = Field(
        description="Share of what speaks for pneumonia that lies in the patient's left lung; null "
        "if nothing speaks for it, or the networks allow no map.",
        examples=[0.1874],
    )
    right_evidence: Share | None = Field(
        description="The same of the right lung. What is missing to 1 lies outside of both.",
        examples=[0.7951],
    )
    quality: Share = Field(
        description="How sure the network is of the lungs' outlines, from 0 to 1.",
        examples=[0.9603],
    )


class VerdictWarning(Answer):
    """A reason to doubt a verdict."""

    code: Caution = Field(
        description="Stable name of the reason, for programs.", examples=["lungs_cut_off"]
    )
    detail: str = Field(
        description="The same in words, in the language of `summary`.",
        examples=["The lungs reach the edge of the image; parts of them may be missing."],
    )


class PredictiveValue(Answer):
    """A share with its 95 % interval."""

    value: Share = Field(description="The share.", examples=[0.7418])
    low: Share = Field(description="Lower end of its interval.", examples=[0.6637])
    high: Share = Field(description="Upper end.", examples=[0.8102])


class LocalFigures(Answer):
    """What a verdict amounts to at a local prevalence. It never changes the verdict."""

    prevalence: Probability = Field(
        description="Share of pneumonia among the films that are sent: of the query, or the "
        "operator's.",
        examples=[0.1],
    )
    probability: Probability | None = Field(
        description="`probability` of the verdict, moved to that prevalence (Saerens 2002); null "
        "for a model that does not say for which prevalence it was calibrated.",
        examples=[0.1213],
    )
    ppv: PredictiveValue | None = Field(
        description="Positive predictive value: share of results above the threshold that are "
        "pneumonia, by the model's measured sensitivity and specificity; null without those."
    )
    npv: PredictiveValue | None = Field(
        description="Negative predictive value: share of the other results that are none."
    )
    note: str = Field(
        description="The same for people, or why there is none, in the language of `summary`.",
        examples=["At the local prevalence of 10.0 % the probability becomes 0.1213."],
    )

    @classmethod
    def from_verdict(cls, verdict: Verdict, language: Language) -> Self | None:
        """The figures of a verdict; None if no prevalence is known."""
        if verdict.local is None:
            return None
        figures = dataclasses.asdict(verdict.local)
        return cls.model_validate(figures | {"note": localise(verdict, language)})


class Screened(Answer):
    """The verdict on one radiograph. Decision support; not a diagnosis."""

    predicted_class: str = Field(
        description="The positive label when `probability` exceeds `threshold`, else the negative.",
        examples=["PNEUMONIA"],
    )
    probability: Probability = Field(
        description="Calibrated probability of pneumonia, whichever class is named, rounded to "
        "4 decimals.",
        examples=[0.6359],
    )
    threshold: Probability = Field(
        description="Operating point of the decision; /v1/model says by which rule it was chosen.",
        examples=[0.5],
    )
    assessment: Assessment = Field(
        description="What the probability amounts to: `pneumonia` or `normal`, as "
        "`predicted_class` says, or `indeterminate` where a radiologist should decide. /v1/model "
        "says in which range of probabilities, and with what error outside of it.",
        examples=["pneumonia"],
    )
    warnings: list[VerdictWarning] = Field(
        description="Reasons to doubt the verdict, the weightiest first.",
        examples=[[{"code": "lungs_cut_off", "detail": "The lungs reach the edge of the image."}]],
    )
    members: list[MemberProbability] = Field(
        description="What each network says by itself.",
        examples=[
            [{"name": "tuned", "probability": 0.6012}, {"name": "second", "probability": 0.6706}]
        ],
    )
    model: ModelIdentity = Field(
        description="Which model gave the answer.",
        examples=[{"name": "paediatric-pneumonia", "version": "1.0.0", "digest": DIGEST}],
    )
    image: ImageIdentity = Field(
        description="Which image the answer is about.",
        examples=[{"format": "JPEG", "width": 1858, "height": 1317, "sha256": SHA256}],
    )
    request_id: RequestId
    summary: str = Field(
        description="The verdict in one sentence for people, in the language that Accept-Language "
        "asks for: English or Spanish.",
        examples=[
            "Above the model's threshold for pneumonia: probability 0.6359, threshold 0.5000. "
            "Decision support, not a diagnosis."
        ],
    )
    scope: str = Field(
        description="What the model was trained on, in a sentence of that language.",
        examples=["Trained on: chest radiographs of children of 1 to 5 years of one hospital."],
    )
    next_step: str = Field(
        description="What should be done next, in a sentence of that language.",
        examples=["Next: a physician reads the radiograph."],
    )
    lungs: Lungs | None = Field(
        description="Where the lungs are; null for a model that does not look for them."
    )
    local: LocalFigures | None = Field(
        description="What the verdict amounts to at the local prevalence, of `?prevalence=` or of "
        "the operator; null if neither gives one."
    )

    @classmethod
    def from_verdict(cls, verdict: Verdict, request_id: str, language: Language = "en") -> Self:
        """Put a verdict into the form in which it is sent."""
        return cls.model_validate(
            {
                "predicted_class": verdict.predicted_class,
                "probability": verdict.probability,
                "threshold": verdict.threshold,
                "assessment": verdict.assessment,
                "warnings": warn(verdict, language),
                "members": verdict.members,
                "model": verdict.model,
                "image": verdict.image,
                "request_id": request_id,
                "summary": summarise(verdict, language),
                "scope": scope(verdict, language),
                "next_step": next_step(verdict, language),
                "lungs": verdict.lungs,
                "local": LocalFigures.from_verdict(verdict, language),
            }
        )


class BatchVerdict(Answer):
    """A file of a batch that was screened."""

    index: int = Field(ge=0, description="Place of the file in the upload, from 0.", examples=[0])
    verdict: Screened = Field(description="What `/v1/predict` answers for this file alone.")


class BatchError(Answer):
    """A file of a batch that could not be screened."""

    index: int = Field(ge=0, description="Place of the file in the upload, from 0.", examples=[1])
    error: Problem = Field(
        description="The problem that `/v1/predict` answers for this file alone."
    )


class Batch(Answer):
    """The answers to a batch, one for each file, in the order in which they were sent."""

    results: list[BatchVerdict | BatchError] = Field(
        description="Each holds either `verdict` or `error`."
    )
    request_id: RequestId


class Alive(Answer):
    """The process runs and its event loop turns."""

    status: Literal["alive"] = Field("alive", description="Always the same.", examples=["alive"])


class Ready(Answer):
    """The model is loaded, checked and warm."""

    status: Literal["ready"] = Field("ready", description="Always the same.", examples=["ready"])


class Health(Answer):
    """The state of a service that is ready."""

    status: Literal["ready"] = Field("ready", description="Always the same.", examples=["ready"])
    version: str = Field(description="Version of the service.", examples=["0.1.0"])
    model: ModelIdentity = Field(
        description="Which model answers.",
        examples=[{"name": "paediatric-pneumonia", "version": "1.0.0", "digest": DIGEST}],
    )
    threads: int = Field(ge=1, description="Radiographs that are read at once.", examples=[2])
    running: int = Field(ge=0, description="Radiographs being read now.", examples=[1])
    waiting: int = Field(ge=0, description="Radiographs waiting in the queue now.", examples=[0])
    places: int = Field(ge=0, description="Most radiographs that may wait.", examples=[16])


def identity_of(bundle: Bundle) -> ModelIdentity:
    """Name a bundle in the way that verdicts do."""
    manifest = bundle.manifest
    return ModelIdentity(name=manifest.name, version=manifest.version, digest=bundle.digest)
