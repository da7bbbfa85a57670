"""The wire contract: what the service answers, each field described.

The examples are in ``examples.json``.
"""

import dataclasses
from typing import Annotated, Literal, Self

from pydantic import Field

from service.api.problems import Answer, Problem
from service.i18n import Language
from service.inference import Bundle
from service.screening.verdict import Assessment, Caution, Verdict
from service.screening.wording import localise, next_step, scope, summarise, warn

Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]
RequestId = Annotated[
    str,
    Field(description="Name of this request; also in the header X-Request-ID."),
]


class MemberProbability(Answer):
    """What one network of the ensemble says, calibrated like the ensemble's probability."""

    name: str = Field(description="Name of the network.")
    probability: Probability = Field(
        description="Its probability of the positive class, rounded to 4 decimals."
    )


class ModelIdentity(Answer):
    """Which model gave the answer."""

    name: str = Field(description="Name of the model.")
    version: str = Field(description="Its version.")
    digest: str = Field(description="Identifies the manifest and every network file of the model.")


class ImageIdentity(Answer):
    """Which image the answer is about. The name of the file is neither kept nor repeated."""

    format: str = Field(
        description="Format recognised from the content: JPEG, PNG, WEBP, BMP, TIFF, JPEG2000, "
        "AVIF or DICOM.",
    )
    width: int = Field(ge=1, description="Width in pixels, upright.")
    height: int = Field(ge=1, description="Height in pixels, upright.")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 digest of the file as it was received.",
    )


class PixelBox(Answer):
    """A part of the upright picture, in its pixels."""

    left: int = Field(description="First column.")
    top: int = Field(description="First row.")
    right: int = Field(description="Column after the last.")
    bottom: int = Field(description="Row after the last.")


class Lungs(Answer):
    """Where the lungs are, and how much of what speaks for pneumonia lies in each."""

    found: bool = Field(description="Always true: an image without lungs is refused.")
    box: PixelBox = Field(description="Around both lungs.")
    area_share: Share = Field(description="Of both lungs in the image.")
    left_evidence: Share | None = Field(
        description="Share of what speaks for pneumonia that lies in the patient's left lung; null "
        "if nothing speaks for it, or the networks allow no map.",
    )
    right_evidence: Share | None = Field(
        description="The same of the right lung. What is missing to 1 lies outside of both."
    )
    quality: Share = Field(
        description="How sure the network is of the lungs' outlines, from 0 to 1."
    )


class VerdictWarning(Answer):
    """A reason to doubt a verdict."""

    # By hand: the verdict of ``examples.json`` need not have a warning.
    code: Caution = Field(
        description="Stable name of the reason, for programs.", examples=["lungs_cut_off"]
    )
    detail: str = Field(
        description="The same in words, in the language of `summary`.",
        examples=["The lungs reach the edge of the image; parts of them may be missing."],
    )


class PredictiveValue(Answer):
    """A share with its 95 % interval."""

    value: Share = Field(description="The share.")
    low: Share = Field(description="Lower end of its interval.")
    high: Share = Field(description="Upper end.")


class LocalFigures(Answer):
    """What a verdict amounts to at a local prevalence. It never changes the verdict."""

    prevalence: Probability = Field(
        description="Share of pneumonia among the films that are sent: of the query, or the "
        "operator's.",
    )
    probability: Probability | None = Field(
        description="`probability` of the verdict, moved to that prevalence (Saerens 2002); null "
        "for a model that does not say for which prevalence it was calibrated.",
    )
    ppv: PredictiveValue | None = Field(
        description="Positive predictive value: share of results above the threshold that are "
        "pneumonia, by the model's measured sensitivity and specificity; null without those."
    )
    npv: PredictiveValue | None = Field(
        description="Negative predictive value: share of the other results that are none."
    )
    note: str = Field(
        description="The same for people, or why there is none, in the language of `summary`."
    )

    @classmethod
    def from_verdict(cls, verdict: Verdict, language: Language) -> Self | None:
        """The figures of a verdict; None if no prevalence is known."""
        if verdict.local is None:
            return None
        figures = dataclasses.asdict(verdict.local)
        return cls.model_validate(figures | {"note": localise(verdict, language)})


class IndeterminateRange(Answer):
    """The probabilities that are assessed as indeterminate, both bounds included."""

    lower: Probability = Field(description="Lowest.")
    upper: Probability = Field(description="Highest.")


class Screened(Answer):
    """The verdict on one radiograph. Decision support; not a diagnosis."""

    predicted_class: str = Field(
        description="The positive label when `probability` exceeds `threshold`, else the negative."
    )
    probability: Probability = Field(
        description="Calibrated probability of pneumonia, whichever class is named, rounded to "
        "4 decimals.",
    )
    threshold: Probability = Field(
        description="Operating point of the decision; /v1/model says by which rule it was chosen."
    )
    assessment: Assessment = Field(
        description="What the probability amounts to: `pneumonia` or `normal`, as "
        "`predicted_class` says, or `indeterminate` where a radiologist should decide. /v1/model "
        "says in which range of probabilities, and with what error outside of it.",
    )
    warnings: list[VerdictWarning] = Field(
        description="Reasons to doubt the verdict, the most serious first."
    )
    members: list[MemberProbability] = Field(description="What each network says by itself.")
    model: ModelIdentity = Field(description="Which model gave the answer.")
    image: ImageIdentity = Field(description="Which image the answer is about.")
    request_id: RequestId
    summary: str = Field(
        description="The verdict in one sentence for people, in the language that Accept-Language "
        "asks for: English or Spanish.",
    )
    scope: str = Field(description="What the model was trained on, in a sentence of that language.")
    next_step: str = Field(description="What should be done next, in a sentence of that language.")
    lungs: Lungs | None = Field(
        description="Where the lungs are; null for a model that does not look for them."
    )
    indeterminate: IndeterminateRange | None = Field(
        description="The range in which a radiologist should decide; null for a model that always "
        "assesses."
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
                "indeterminate": verdict.indeterminate,
                "local": LocalFigures.from_verdict(verdict, language),
            }
        )


class BatchVerdict(Answer):
    """A file of a batch that was screened."""

    index: int = Field(ge=0, description="Place of the file in the upload, from 0.")
    verdict: Screened = Field(description="What `/v1/predict` answers for this file alone.")


class BatchError(Answer):
    """A file of a batch that could not be screened."""

    index: int = Field(ge=0, description="Place of the file in the upload, from 0.")
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

    status: Literal["alive"] = Field("alive", description="Always the same.")


class Ready(Answer):
    """The model is loaded, checked and warm."""

    status: Literal["ready"] = Field("ready", description="Always the same.")


class Health(Answer):
    """The state of a service that is ready."""

    status: Literal["ready"] = Field("ready", description="Always the same.")
    version: str = Field(description="Version of the service.")
    model: ModelIdentity = Field(description="Which model answers.")
    threads: int = Field(ge=1, description="Radiographs that are read at once.")
    running: int = Field(ge=0, description="Radiographs being read now.")
    waiting: int = Field(ge=0, description="Radiographs waiting in the queue now.")
    places: int = Field(ge=0, description="Most radiographs that may wait.")


def identity_of(bundle: Bundle) -> ModelIdentity:
    """Name a bundle in the way that verdicts do."""
    manifest = bundle.manifest
    return ModelIdentity(name=manifest.name, version=manifest.version, digest=bundle.digest)
