"""The rule of the threshold: from the networks' probabilities to a verdict."""

from collections.abc import Sequence
from typing import Final

from service.inference import EnsembleScore, Manifest, MemberScore
from service.lungs import WarningCode
from service.screening.verdict import (
    DECIMALS,
    Assessment,
    Caution,
    ImageFacts,
    IndeterminateRange,
    LungFacts,
    ModelRef,
    Verdict,
)

MIN_DISAGREEMENT: Final = 0.3
"""Members disagree if they are on both sides of the threshold and at least this far apart."""


def decide(
    score: EnsembleScore,
    manifest: Manifest,
    digest: str,
    image: ImageFacts,
    lungs: LungFacts | None = None,
    warnings: Sequence[WarningCode] = (),
) -> Verdict:
    """Round first and decide on the rounded figure, so that an answer never contradicts itself."""
    probability = round(score.probability, DECIMALS)
    labels = manifest.labels
    threshold = manifest.threshold.value
    members = tuple(
        MemberScore(name=member.name, probability=round(member.probability, DECIMALS))
        for member in score.members
    )
    between = manifest.indeterminate
    disagree: tuple[Caution, ...] = ("members_disagree",) if _disagree(members, threshold) else ()
    return Verdict(
        predicted_class=labels.positive if probability > threshold else labels.negative,
        probability=probability,
        threshold=threshold,
        members=members,
        model=ModelRef(name=manifest.name, version=manifest.version, digest=digest),
        image=image,
        assessment=_assess(probability, manifest),
        trained_on=manifest.training_data.description if manifest.training_data else "",
        lungs=lungs,
        warnings=(*warnings, *disagree),
        indeterminate=IndeterminateRange(between.lower, between.upper) if between else None,
    )


def _assess(probability: float, manifest: Manifest) -> Assessment:
    between = manifest.indeterminate
    if between and between.lower <= probability <= between.upper:
        return "indeterminate"
    return "pneumonia" if probability > manifest.threshold.value else "normal"


def _disagree(members: Sequence[MemberScore], threshold: float) -> bool:
    values = [member.probability for member in members]
    lowest, highest = min(values), max(values)
    return lowest <= threshold < highest and highest - lowest >= MIN_DISAGREEMENT
