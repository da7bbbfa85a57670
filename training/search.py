"""The search space of a tuning study: which recipes it may try, and what they may cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import keras
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from training.config import Architecture, Augmentation, Recipe
from training.data import DataError
from training.networks import build_trainable

SPACE: Final[dict[str, BaseDistribution]] = {
    "width": FloatDistribution(0.5, 1.5, step=0.25),
    "blocks": IntDistribution(-1, 1),
    "squeeze": CategoricalDistribution((False, True)),
    "dropout": FloatDistribution(0.0, 0.6),
    "weight_decay": FloatDistribution(1e-4, 1e-2, log=True),
    "label_smoothing": FloatDistribution(0.0, 0.15),
    "strength": FloatDistribution(0.4, 1.6),
    "affine": FloatDistribution(0.2, 1.0),
    "frame": FloatDistribution(0.0, 0.2),
}
"""Parameters of a trial. ``width`` multiplies every channel count of the base recipe, ``blocks`` is
added to the depth of every stage but the first, ``strength`` multiplies the photometric ranges; the
others are the recipe's own fields."""

MAX_GFLOP: Final = 1.5
MAX_PARAMETERS: Final = 2_900_000
"""A network of so many 32-bit weights takes 12 MB on disk."""

_WIDTH_STEP: Final = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What a member costs at its full input size.

    Attributes:
        parameters: Number of weights.
        gflop: Billions of floating-point operations of one forward pass (a multiplication and an
            addition are two), convolutions and dense layers only.
    """

    parameters: int
    gflop: float

    @property
    def allowed(self) -> bool:
        """Whether a member may cost so much."""
        return self.parameters <= MAX_PARAMETERS and self.gflop <= MAX_GFLOP


def cost_of(recipe: Recipe) -> Cost:
    """Build the recipe's network and count."""
    model = build_trainable(recipe.input, recipe.architecture)
    operations = sum(
        2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    )
    return Cost(parameters=model.count_params(), gflop=round(operations / 1e9, 3))


def point_of(base: Recipe) -> dict[str, Any]:
    """The base recipe in the study's own terms: the first trial.

    Raises:
        DataError: The recipe starts from another one, or lies outside of the search space.
    """
    if base.start is not None:
        raise DataError(f"The recipe {base.name} refines another. Tune one that starts afresh.")
    point: dict[str, Any] = {
        "width": 1.0,
        "blocks": 0,
        "squeeze": base.architecture.squeeze,
        "dropout": base.architecture.dropout,
        "weight_decay": base.schedule.weight_decay,
        "label_smoothing": base.schedule.label_smoothing,
        "strength": 1.0,
        "affine": base.augmentation.affine,
        "frame": base.augmentation.frame,
    }
    for name, distribution in SPACE.items():
        if isinstance(distribution, FloatDistribution):
            low, high = distribution.low, distribution.high
            if not low <= point[name] <= high:
                raise DataError(
                    f"The recipe {base.name} has the {name} {point[name]:g}; the study looks at "
                    f"{low:g} to {high:g}."
                )
    return point


def recipe_at(base: Recipe, point: Mapping[str, Any], name: str) -> Recipe:
    """The base recipe with a point's parameters, at full size and schedule.

    Numbers are rounded to three digits, so that what was tried is what a recipe file says.
    """
    shape, schedule = base.architecture, base.schedule
    return base.model_copy(
        update={
            "name": name,
            "note": "",
            "architecture": Architecture(
                view=shape.view,
                stem_width=_widened(shape.stem_width, point["width"]),
                widths=tuple(_widened(width, point["width"]) for width in shape.widths),
                depths=(
                    shape.depths[0],
                    *(max(1, depth + point["blocks"]) for depth in shape.depths[1:]),
                ),
                squeeze=point["squeeze"],
                dropout=_rounded(point["dropout"]),
            ),
            "augmentation": _scaled(base.augmentation, point["strength"]).model_copy(
                update={name: _rounded(point[name]) for name in ("affine", "frame")}
            ),
            "schedule": schedule.model_copy(
                update={name: _rounded(point[name]) for name in ("weight_decay", "label_smoothing")}
            ),
        }
    )


def shortened(recipe: Recipe, *, side: int, epochs: int, images_per_epoch: int) -> Recipe:
    """The recipe as a trial trains it: fewer and smaller images, no early stopping.

    The random sides of the augmentation shrink with the input, so that frames lose as much detail
    in proportion as they do at full size.
    """
    ratio = side / recipe.input.height
    low, high = recipe.augmentation.sides
    schedule = {
        "epochs": epochs,
        "images_per_epoch": images_per_epoch,
        "warmup_epochs": min(recipe.schedule.warmup_epochs, epochs / 4),
        "patience": epochs,
        "average": 1,
    }
    return recipe.model_copy(
        update={
            "input": replace(recipe.input, height=side, width=side),
            "augmentation": recipe.augmentation.model_copy(
                update={"sides": (round(low * ratio), round(high * ratio))}
            ),
            "schedule": recipe.schedule.model_copy(update=schedule),
        }
    )


def _widened(width: int, factor: float) -> int:
    if factor == 1:
        return width
    return max(_WIDTH_STEP, round(width * factor / _WIDTH_STEP) * _WIDTH_STEP)


def _scaled(a: Augmentation, strength: float) -> Augmentation:
    """Multiply the ranges of tone, sharpness, noise and compression; their shares stay."""
    blur_low, blur_high = a.blur_radius
    jpeg_low, jpeg_high = a.jpeg_quality
    ranges: dict[str, Any] = {
        name: _rounded(getattr(a, name) * strength)
        for name in ("gamma", "contrast", "brightness", "noise_sigma")
    }
    ranges["blur_radius"] = (blur_low, _rounded(blur_low + (blur_high - blur_low) * strength))
    ranges["jpeg_quality"] = (
        max(1, round(jpeg_high - (jpeg_high - jpeg_low) * strength)),
        jpeg_high,
    )
    return a.model_copy(update=ranges)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
