"""May this picture be judged, and of what should its reader be warned?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Radiograph, extent
from service.lungs.field import (
    MARGIN,
    SEGMENTATION_SIDE,
    LungField,
    find_lungs,
    segmentation_input,
)
from service.lungs.lettering import longest_line
from service.lungs.pose import AS_RECEIVED, POSES, Pose
from service.lungs.views import enlarged

Refusal = Literal["no_lungs", "unlike_training_films", "uncertain_lungs"]
"""Why a picture is not a frontal chest film: there is no pair of lungs in it, it is unlike the
films of the training, or the network is not sure of the lungs' outline."""

WarningCode = Literal[
    "negative",
    "upside_down",
    "rotated",
    "far_from_training_data",
    "uncertain_lungs",
    "lungs_cut_off",
    "low_resolution",
    "low_contrast",
    "photo_of_screen",
    "text_overlay",
    "header_disagrees",
    "outside_population",
    "burned_in_text",
]

MIN_GAIN: Final = 0.6
"""A picture is put right if its distance falls below this share of what it was. In 49 adults', 46
older children's and 91 younger children's films the share was at most 0.44 from upside down and
0.35 from a negative."""

MAX_AT_EDGE: Final = 0.2
"""Share of an edge of the frame that lungs may touch."""

MIN_PIXELS: Final = 100
"""Fewest pixels of the lungs' box on its shorter side: less than half of what the networks take."""

MIN_CONTRAST: Final = 40
"""Least distance of the 5th and the 95th percentile of the grey levels in the lungs' box (at least
48 in 221 films of three hospitals)."""

DETAIL_SIDE: Final = 128
"""Pixels of the lungs' box in which its finest detail is looked for, where it has as many."""

MIN_DETAIL: Final = 0.0105
"""Least share that this detail has of the contrast: at least 0.0114 in 821 films of four hospitals,
and 0.0128 at ``MIN_PIXELS``. A Gaussian of 1/88 of a film's width leaves less in 324 of 334 films;
it changed 7 verdicts of 24."""

MAX_CHROMA: Final = 2.5
"""Chroma above which a picture was not a radiograph's file: a photograph or a tinted copy (3.5 to
30 in 13 of these, below 1 in films)."""

MIN_LETTERS: Final = 5
"""Letters in a line over the lungs' box that are more than a side marker. Of 293 films of one
hospital, which prints words on every fifth, 2 % have such a line there; of 279 of three others,
none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a bundle draws its lines; see the manifest's ``suitability``."""

    warn_distance: float
    refuse_distance: float
    warn_quality: float
    refuse_quality: float
    warn_otherness: float | None = None
    refuse_otherness: float | None = None

    @classmethod
    def of(cls, entry: object) -> Self:
        """The lines of a manifest's entry, which names them alike."""
        return cls(**{line.name: getattr(entry, line.name) for line in fields(cls)})


class Seen(Protocol):
    """What the segmentation network gives for a picture; ``Look`` describes the figures."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Of lung, shape (side, side)."""

    @property
    def distance(self) -> float | None:
        """Mahalanobis distance to the training films."""

    @property
    def otherness(self) -> float | None:
        """Log odds of being another picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the segmentation network makes of a picture in one pose.

    Attributes:
        pose: The pose.
        field: Where the lungs are in it, if there are any.
        distance: Mahalanobis distance to the training films; None if the bundle cannot tell.
        otherness: Log odds of being another picture; None if the bundle cannot tell.
    """

    pose: Pose
    field: LungField | None
    distance: float | None
    otherness: float | None = None


@dataclass(frozen=True, slots=True)
class Suitability:
    """Whether a picture may be judged.

    Attributes:
        refusal: Why not; None if it may.
        warnings: Of what its reader should be warned, the most serious first.
    """

    refusal: Refusal | None = None
    warnings: tuple[WarningCode, ...] = ()


def is_clear(look: Look, limits: Limits | None) -> bool:
    """Whether a picture needs no look in another pose.

    The bundle has no doubt of it, or no means to compare poses.
    """
    if limits is None or look.distance is None:
        return True
    return look.field is not None and not _doubts(look, limits)


def best_look(received: Look, others: Iterable[Look], limits: Limits) -> Look:
    """Choose the pose in which a picture is judged.

    Args:
        received: The picture as it is.
        others: The same in other poses.
        limits: Of the bundle.

    Returns:
        Of those that would be accepted, the one with the least distance, if that is far less than
        that of ``received``; else ``received``.
    """
    best, least = received, MIN_GAIN * (received.distance or 0.0)
    for look in others:
        accepted = look.field and not _refusal(look, limits)
        if accepted and look.distance is not None and look.distance < least:
            best, least = look, look.distance
    return best


def put_right(
    film: Radiograph,
    see: Callable[[NDArray[np.float32]], Sequence[Seen]],
    limits: Limits | None,
    *,
    side: int = SEGMENTATION_SIDE,
    threshold: float = 0.5,
) -> tuple[Look, Radiograph]:
    """Look at a film and, if that is certain, turn or invert it.

    Args:
        film: As it was received.
        see: The segmentation network, for squares of shape (N, side, side, 1).
        limits: Of the bundle; None if it has none, and nothing is put right.
        side: Side of the network's input, in pixels.
        threshold: Probability above which a pixel is lung.

    Returns:
        The look in the pose that was chosen, and the film in it.
    """
    square = segmentation_input(film, side)

    def looks(*poses: Pose) -> list[Look]:
        seen = see(np.stack([pose.square(square) for pose in poses]))
        return [
            Look(
                pose,
                find_lungs(each.probabilities, *pose.size(film.width, film.height), threshold),
                each.distance,
                each.otherness,
            )
            for pose, each in zip(poses, seen, strict=True)
        ]

    [look] = looks(AS_RECEIVED)
    if limits and not is_clear(look, limits):
        look = best_look(look, looks(*POSES[1:]), limits)
    return look, look.pose.radiograph(film)


def suitability_of(look: Look, radiograph: Radiograph, limits: Limits | None) -> Suitability:
    """Say whether a picture may be judged, and of what its reader should be warned.

    Args:
        look: In the pose that ``best_look`` chose.
        radiograph: The picture in that pose.
        limits: Of the bundle; None if it has none.
    """
    field = look.field
    if field is None:
        return Suitability("no_lungs")
    refusal = _refusal(look, limits) if limits else None
    if refusal:
        return Suitability(refusal)
    doubts = _doubts(look, limits) if limits else ()
    cut = _box(radiograph, field)
    contrast = _contrast(cut)
    # Where all is of one grey, there is no saying how sharp it is.
    blurred = contrast >= MIN_CONTRAST and _detail(cut) < MIN_DETAIL * contrast
    found: dict[WarningCode, bool] = {
        "negative": look.pose.inverted,
        "upside_down": look.pose.turns == 2,
        "rotated": look.pose.turns in {1, 3},
        **dict.fromkeys(doubts, True),
        "photo_of_screen": radiograph.chroma > MAX_CHROMA,
        "lungs_cut_off": _most_at_edge(field) > MAX_AT_EDGE,
        "low_resolution": _shorter_side(field) < MIN_PIXELS or blurred,
        "low_contrast": contrast < MIN_CONTRAST,
        "text_overlay": longest_line(radiograph, enlarged(field.box, MARGIN)) >= MIN_LETTERS,
    }
    return Suitability(warnings=tuple(code for code, applies in found.items() if applies))


def _refusal(look: Look, limits: Limits) -> Refusal | None:
    if _above(look.distance, limits.refuse_distance):
        return "unlike_training_films"
    if _above(look.otherness, limits.refuse_otherness):
        return "unlike_training_films"
    if look.field and look.field.quality < limits.refuse_quality:
        return "uncertain_lungs"
    # Each doubt alone is common in films of other hospitals. Both together are not; but a bundle
    # that knows other pictures has a better means to tell.
    both = limits.refuse_otherness is None and len(_doubts(look, limits)) == 2
    return "unlike_training_films" if both else None


def _doubts(look: Look, limits: Limits) -> tuple[WarningCode, ...]:
    doubts: list[WarningCode] = []
    far = _above(look.distance, limits.warn_distance)
    if far or _above(look.otherness, limits.warn_otherness):
        doubts.append("far_from_training_data")
    if look.field and look.field.quality < limits.warn_quality:
        doubts.append("uncertain_lungs")
    return tuple(doubts)


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit


def _most_at_edge(field: LungField) -> float:
    mask = field.mask
    return max(float(edge.mean()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _shorter_side(field: LungField) -> int:
    left, top, right, bottom = field.box_px
    return min(right - left, bottom - top)


def _contrast(cut: Image.Image) -> float:
    low, high = np.quantile(np.asarray(cut), (0.05, 0.95))
    return float(high - low)


def _detail(cut: Image.Image) -> float:
    """Deviation of the grey levels in the lungs' box from what half as many pixels can show."""
    half = (cut.width // 2, cut.height // 2)
    coarse = cut.resize(half, Image.Resampling.BOX).resize(cut.size, Image.Resampling.BICUBIC)
    return float(np.std(np.asarray(cut, dtype=np.float64) - np.asarray(coarse, dtype=np.float64)))


def _box(radiograph: Radiograph, field: LungField) -> Image.Image:
    """The lungs' box as a square of an even side."""
    # What an enlarged picture lacks is no blur.
    side = int(min(DETAIL_SIDE, max(MIN_PIXELS, _shorter_side(field)))) // 2 * 2
    left, top, right, bottom = field.box
    width, height = extent(radiograph)
    box = (left * width, top * height, right * width, bottom * height)
    return radiograph.picture.resize((side, side), Image.Resampling.BOX, box, reducing_gap=1.0)
