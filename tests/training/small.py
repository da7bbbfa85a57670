"""Small networks and lung fields: a fit of them takes a second."""

from collections.abc import Sequence

import numpy as np
import torch

from tests.phantom import phantom
from training.data.fields import Fields, Film
from training.fit.recipe import LungsRecipe, MemberRecipe, Schedule
from training.fit.sampler import Sources
from training.models.lite0 import Lite0
from training.models.shapes import LiteShape, Stage, UNetShape
from training.models.unet import LungsNet

SMALL_LITE = LiteShape(
    stem=8,
    stages=(Stage(1, 8, 1, 1, 3), Stage(3, 12, 2, 2, 5), Stage(3, 16, 1, 2, 3),
            Stage(3, 16, 2, 2, 3), Stage(3, 24, 1, 1, 5), Stage(3, 24, 2, 2, 5),
            Stage(3, 32, 1, 1, 3)),
    mid=12,
    deep=40,
)  # fmt: skip
SMALL_UNET = UNetShape((4, 6, 8))

SCHEDULE = Schedule(epochs=3, images=32, batch=8, rate=1e-2, warmup=2, average=0.9, ramp=3)
MEMBER = MemberRecipe(
    name="small", network="lite0", view="lung_field", side=64, schedule=SCHEDULE, other_hospital=2
)
LUNGS = LungsRecipe(name="small-lungs", network="lungs", side=64, schedule=SCHEDULE)

_SIDE = 48


def small_lite(seed: int = 0) -> Lite0:
    torch.manual_seed(seed)
    return Lite0(SMALL_LITE)


def small_unet(seed: int = 0) -> LungsNet:
    torch.manual_seed(seed)
    return LungsNet(SMALL_UNET)


def fields(films: Sequence[Film]) -> Fields:
    """Crops of phantoms, cloudy if the film is positive; a box of lungs in the middle."""
    crops = [
        np.asarray(phantom(seed, (_SIDE, _SIDE), 1.0 * film.label))
        for seed, film in enumerate(films)
    ]
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    mask[10:38, 8:22] = mask[10:38, 26:40] = 255
    return Fields(films, np.stack(crops), np.stack([mask] * len(films)), ())


def sources() -> Sources:
    """Twenty patients in five folds, and small sets of three other hospitals."""
    train = [
        Film(f"{kind}-{number}-{image}", int(kind != "normal"), kind, kind, number, number % 5)
        for kind in ("normal", "bacterial", "viral")
        for number in range(10)
        for image in range(1 + (number == 0))
    ]
    nih = [
        Film(f"{number}", label, "normal" if label == 0 else "unknown", "NIH", number, -1, view)
        for number, (label, view) in enumerate(
            (label, view) for label in (0, 1) for view in ("AP", "AP", "PA", "PA") for _ in range(2)
        )
    ]
    older = [Film(f"{number}", 0, "normal", "NIH", number) for number in range(4)]
    montgomery = [Film(f"{n}", n % 2, "unknown", f"other-{n % 2}", n) for n in range(6)]
    return {
        "train": fields(train),
        "large": fields(train[:5]),
        "adults_nih": fields(nih),
        "children_11_to_17": fields(older),
        "adults_montgomery": fields(montgomery),
    }
