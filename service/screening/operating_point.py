"""What was measured of a model at its threshold, as its manifest states it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from service.inference import Manifest


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share, and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def complement(self) -> "Estimate":
        """1 minus the share."""
        return Estimate(1 - self.value, 1 - self.high, 1 - self.low)


def operating_point(manifest: Manifest) -> tuple[Estimate, Estimate] | None:
    """Sensitivity and specificity of the ensemble; None unless both were measured."""
    figures = manifest.metrics.figures.get("ensemble") if manifest.metrics else None
    if not isinstance(figures, Mapping):
        return None
    sensitivity = estimate_of(figures.get("sensitivity"))
    specificity = estimate_of(figures.get("specificity"))
    return (sensitivity, specificity) if sensitivity and specificity else None


def estimate_of(measured: JsonValue) -> Estimate | None:
    """An entry of a manifest's figures; None if it is not a share with its interval."""
    if not isinstance(measured, Mapping):
        return None
    values = [measured.get(name) for name in ("value", "low", "high")]
    numbers = [float(each) for each in values if isinstance(each, int | float)]
    if len(numbers) < len(values):
        return None
    value, low, high = numbers
    return Estimate(value, low, high) if 0 <= low <= value <= high <= 1 else None
