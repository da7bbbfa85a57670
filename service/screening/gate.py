"""Is this one frontal chest film, the right way round? Looks at a picture before it is judged."""

from dataclasses import dataclass
from typing import Final

from service.errors import NotAChestRadiographError
from service.imaging import Radiograph
from service.inference import Ensemble, LungsEntry
from service.lungs import (
    Limits,
    LungField,
    Pose,
    Refusal,
    WarningCode,
    put_right,
    suitability_of,
)
from service.screening.header_check import ADVICE

_REFUSALS: Final[dict[Refusal, str]] = {
    "no_lungs": f"No pair of lungs was found in this image, so it was not judged. {ADVICE}",
    "unlike_training_films": "This image does not look like a frontal chest X-ray, so it was not "
    f"judged. {ADVICE}",
    "uncertain_lungs": "The lungs in this image could not be outlined with any certainty, so it "
    f"was not judged. {ADVICE}",
}


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """A film that may be judged.

    Attributes:
        radiograph: The film, put right.
        field: Where its lungs are then.
        pose: How it was put right.
        warnings: Of what its reader should be warned.
    """

    radiograph: Radiograph
    field: LungField
    pose: Pose
    warnings: tuple[WarningCode, ...]


def examine(ensemble: Ensemble, film: Radiograph, entry: LungsEntry) -> Examined:
    """Find the lungs of a film, put it right if that is certain, and refuse any other picture.

    Args:
        ensemble: Of a bundle that finds lungs.
        film: The film as it was received.
        entry: The manifest's entry of the network that finds them.

    Raises:
        NotAChestRadiographError: The picture is not a frontal chest film.
    """
    lines = ensemble.bundle.manifest.suitability
    limits = Limits.of(lines) if lines else None
    look, upright = put_right(
        film, ensemble.look, limits, side=entry.side, threshold=entry.threshold
    )
    found = suitability_of(look, upright, limits)
    if look.field is None or found.refusal:
        reason = found.refusal or "no_lungs"
        raise NotAChestRadiographError(_REFUSALS[reason], reason=reason)
    return Examined(upright, look.field, look.pose, found.warnings)
