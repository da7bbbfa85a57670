"""The answer as a frozen value: screening makes it, everything that presents an answer reads it."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal, Self

from service.imaging import Film
from service.inference import MemberScore
from service.lungs import LungField, WarningCode
from service.screening.prevalence import LocalFigures

DECIMALS = 4

Assessment = Literal["pneumonia", "normal", "indeterminate"]
Caution = Literal[WarningCode, "members_disagree"]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model gave an answer."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Which image an answer is about: what was received, never what it was called."""

    format: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True, slots=True)
class IndeterminateRange:
    """The probabilities that are assessed as indeterminate, both bounds included."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A part of the upright picture, in its pixels; ``right`` and ``bottom`` are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class LungFacts:
    """Where the lungs are, and how much of what speaks for pneumonia lies in each.

    Attributes:
        box: Around both lungs.
        area_share: Of both lungs in the picture, from 0 to 1.
        left_evidence: Share of the map's positive evidence inside the patient's left lung, from 0
            to 1; None if there is no map, or nothing speaks for pneumonia.
        right_evidence: The same for the right lung. What is missing to 1 lies outside of both.
        quality: How sure the segmentation is, from 0 to 1.
        found: Always true: without lungs there is no verdict.
    """

    box: PixelBox
    area_share: float
    left_evidence: float | None
    right_evidence: float | None
    quality: float
    found: bool = True

    @classmethod
    def of(
        cls, field: LungField, film: Film, image: ImageFacts, evidence: tuple[float, float] | None
    ) -> Self:
        """Say where the lungs of a film are in the file's picture.

        Args:
            field: The lungs, on the film.
            film: Where the film is in the picture.
            image: The picture.
            evidence: Shares of the left and the right lung, if there are any.
        """
        left, right = (round(share, DECIMALS) for share in evidence) if evidence else (None, None)
        x0, y0, x1, y1 = film.in_frame(field.box)
        size_of_film = (film.box[2] - film.box[0]) * (film.box[3] - film.box[1])
        return cls(
            box=PixelBox(
                left=floor(x0 * image.width),
                top=floor(y0 * image.height),
                right=ceil(x1 * image.width),
                bottom=ceil(y1 * image.height),
            ),
            area_share=round(field.area_share * size_of_film, DECIMALS),
            left_evidence=left,
            right_evidence=right,
            quality=round(field.quality, DECIMALS),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ensemble says about one radiograph, and all that is needed to trace it.

    Attributes:
        predicted_class: The positive label exactly when ``probability`` exceeds ``threshold``.
        probability: Calibrated probability of the positive class, whichever class is named, from 0
            to 1, rounded to 4 decimals.
        threshold: Operating point of the decision.
        members: What each network said, on the scale of ``probability``, rounded to 4 decimals.
        model: The bundle that answered.
        image: The file that was read.
        assessment: What the probability amounts to: ``indeterminate`` where the bundle's
            measurements do not allow either answer, else as ``predicted_class``.
        trained_on: What the networks were trained on, in English; empty if that is not known.
        lungs: Where the lungs are; None for a bundle that does not look for them.
        warnings: Of what the reader should be warned.
        local: What it amounts to at the local prevalence, if that is known.
        indeterminate: Which probabilities are; None for a model that always assesses.
    """

    predicted_class: str
    probability: float
    threshold: float
    members: tuple[MemberScore, ...]
    model: ModelRef
    image: ImageFacts
    assessment: Assessment
    trained_on: str = ""
    lungs: LungFacts | None = None
    warnings: tuple[Caution, ...] = ()
    local: LocalFigures | None = None
    indeterminate: IndeterminateRange | None = None
