"""The answer as a frozen value: screening makes it, everything that presents an answer reads it."""

from dataclasses import dataclass

from service.inference import EnsembleScore, Manifest, MemberScore

DECIMALS = 4


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
class Verdict:
    """What the ensemble says of one radiograph, and all that is needed to retrace it.

    Attributes:
        predicted_class: The positive label exactly when ``probability`` exceeds ``threshold``.
        probability: Calibrated probability of the positive class, whichever class is named, from 0
            to 1, rounded to 4 decimals.
        threshold: Operating point of the decision.
        members: What each network said, on the scale of ``probability``, rounded to 4 decimals.
        model: The bundle that answered.
        image: The file that was read.
    """

    predicted_class: str
    probability: float
    threshold: float
    members: tuple[MemberScore, ...]
    model: ModelRef
    image: ImageFacts


def decide(score: EnsembleScore, manifest: Manifest, digest: str, image: ImageFacts) -> Verdict:
    """Round first and decide on the rounded figure, so that an answer never contradicts itself."""
    probability = round(score.probability, DECIMALS)
    labels = manifest.labels
    threshold = manifest.threshold.value
    return Verdict(
        predicted_class=labels.positive if probability > threshold else labels.negative,
        probability=probability,
        threshold=threshold,
        members=tuple(
            MemberScore(name=member.name, probability=round(member.probability, DECIMALS))
            for member in score.members
        ),
        model=ModelRef(name=manifest.name, version=manifest.version, digest=digest),
        image=image,
    )
