"""What a verdict amounts to where pneumonia is rarer, or more common, than in the calibration."""

import math
from dataclasses import dataclass
from typing import Final

from service.inference import Manifest
from service.screening.operating_point import Estimate, operating_point

DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class LocalFigures:
    """A verdict at a local prevalence. It stands beside the verdict and never changes it.

    Attributes:
        prevalence: Share of pneumonia among the films that are sent, above 0 and below 1.
        probability: The verdict's probability, moved to that prevalence; None if the bundle does
            not say which share of pneumonia it was calibrated for.
        ppv: Share of results above the threshold that are pneumonia; None for a bundle without
            measured sensitivity and specificity.
        npv: Share of the other results that are none.
    """

    prevalence: float
    probability: float | None
    ppv: Estimate | None
    npv: Estimate | None


def local_figures(probability: float, manifest: Manifest, prevalence: float) -> LocalFigures:
    """Work out what a probability, and a result of either kind, amount to.

    Args:
        probability: Of the verdict.
        manifest: Of the bundle that gave it.
        prevalence: Share of pneumonia among the films that are sent, above 0 and below 1.
    """
    prior = manifest.calibration.prevalence
    measured = operating_point(manifest)
    ppv = npv = None
    if measured:
        sensitivity, specificity = measured
        odds = prevalence / (1 - prevalence)
        ppv = _predictive(odds, sensitivity, specificity.complement)
        npv = _predictive(1 / odds, specificity, sensitivity.complement)
    return LocalFigures(
        prevalence=prevalence,
        probability=None if prior is None else round(shifted(probability, prior, prevalence), 4),
        ppv=ppv,
        npv=npv,
    )


def shifted(probability: float, prior: float, prevalence: float) -> float:
    """Move a probability from one prevalence to another (Saerens, Latinne and Decaestecker 2002).

    It holds if films of each class look alike in both places, and only their shares differ.

    Args:
        probability: Calibrated where the share of the positive class is ``prior``.
        prior: Above 0 and below 1.
        prevalence: That of the other place, above 0 and below 1.
    """
    positive = probability * prevalence / prior
    negative = (1 - probability) * (1 - prevalence) / (1 - prior)
    return positive / (positive + negative)


def _predictive(odds: float, right: Estimate, wrong: Estimate) -> Estimate:
    """Share of results that are right.

    Args:
        odds: Of the class that the result names, before the result.
        right: Share of that class that gets the result.
        wrong: Share of the other class that gets it.
    """
    low, high = _ratio_limits(right, wrong)
    value = _ratio(right.value, wrong.value)
    return Estimate(*(round(_share(odds * each), DECIMALS) for each in (value, low, high)))


def _ratio_limits(upper: Estimate, lower: Estimate) -> tuple[float, float]:
    """The interval of a ratio of two independent shares, from theirs.

    The limits' distances on the log scale are added in squares (Zou and Donner 2008,
    doi:10.1002/sim.3095, recover the variances from the limits). At 0 and 1, where a distance is
    not defined, the most cautious of the limits are taken.
    """
    if not upper.low or not lower.low:
        return _ratio(upper.low, lower.high), _ratio(upper.high, lower.low)
    value = math.log(upper.value / lower.value)
    down = math.hypot(math.log(upper.value / upper.low), math.log(lower.high / lower.value))
    up = math.hypot(math.log(upper.high / upper.value), math.log(lower.value / lower.low))
    return math.exp(value - down), math.exp(value + up)


def _ratio(upper: float, lower: float) -> float:
    return upper / lower if lower else math.inf


def _share(odds: float) -> float:
    return 1.0 if math.isinf(odds) else odds / (1 + odds)
