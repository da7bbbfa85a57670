"""The same networks in Keras, as they are served: normalisations folded, probabilities out.

Layers are named after the units of the PyTorch networks (``blocks.3.expand`` is
``blocks_3_expand``). Only built-in Keras layers are used, because the service runs no other.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
from keras import layers

from training.models.shapes import (
    EVIDENCE_STRIDE,
    LITE0,
    LOCAL_CELLS,
    LOCAL_FLOOR,
    LOCAL_WEIGHTS,
    MASK_SHARPNESS,
    STANDARD_FLOORS,
    UNET,
    LiteShape,
    Stage,
    UNetShape,
)
from training.models.unet import convolutions

Picture = Any  # a Keras tensor, (N, height, width, channels)

ANSWER: Final = "pneumonia"


def build_lungs(side: int, shape: UNetShape = UNET) -> keras.Model:
    """The twin of ``LungsNet``, which describes each picture as well.

    It takes (N, side, side, 1) from 0 to 1. It gives probabilities of lung, and features of the
    picture: the means of the deepest channels over all cells and over the four in the middle, shape
    (N, 2 * channels). Films of a chest have much the same, whatever the hospital.
    """
    image = keras.Input((side, side, 1), name="radiograph")
    x = _standardise(image, STANDARD_FLOORS["lungs"])
    x = _centred(x, shape.widths[0], 5, 2, "stem")
    levels = [_centred(x, shape.widths[0], 3, 1, "first")]
    for level, width in enumerate(shape.widths[1:]):
        x = _centred(levels[-1], width, 3, 2, f"down_{level}")
        for number in range(convolutions(level)):
            x = _centred(x, width, 3, 1, f"encode_{level}_{number}")
        levels.append(x)
    y = levels.pop()
    features = _features(y)
    for level in reversed(range(len(levels))):
        y = _doubled(_centred(y, shape.widths[level], 1, 1, f"up_{level}"), f"up_{level}")
        y = layers.Add(name=f"skip_{level}")([y, levels[level]])
        y = _centred(y, shape.widths[level], 3, 1, f"decode_{level}")
    y = _doubled(layers.Conv2D(1, 1, name="out")(y), "out")
    lung = layers.Activation("sigmoid", name="lung")(y)
    return keras.Model(image, [lung, features], name="lungs")


def build_member(side: int, shape: LiteShape = LITE0, fits: int = 1) -> keras.Model:
    """The twin of one ``Lite0`` or several: (N, side, side, 2) from 0 to 1, to (N, 1).

    The first channel is the view, the second the lungs in it. The network ends in global average
    pooling of the fits' mean evidence, weighted by the lungs, and a dense unit that adds nothing
    but the sigmoid: its logit is the mean of the fits' logits, and a class activation map of it is
    exact, and lies in the lungs. The layers of a fit are named after it, ``fit_0_stem``.
    """
    both = keras.Input((side, side, 2), name="view_and_lungs")
    x = _standardise(_channel(both, 0, "view"), STANDARD_FLOORS["member"])
    x = _local_contrast(x)
    parts = [_evidence(x, shape, fit_name(fit)) for fit in range(fits)]
    mean = parts[0] if fits == 1 else layers.Average(name="evidence_mean")(parts)
    evidence = _doubled(mean, "evidence")
    weights = _lung_weights(_channel(both, 1, "lungs"))
    pooled = layers.GlobalAveragePooling2D(name="pooled")(
        layers.Multiply(name="evidence_in_the_lungs")([evidence, weights])
    )
    answer = layers.Dense(1, "sigmoid", use_bias=False, kernel_initializer="ones", name=ANSWER)(
        pooled
    )
    return keras.Model(both, answer, name="member")


def fit_name(fit: int) -> str:
    """What the names of a fit's layers begin with."""
    return f"fit_{fit}_"


def _evidence(x: Picture, shape: LiteShape, name: str) -> Picture:
    """What one fit sees for pneumonia, on a grid of half the resolution of the map."""
    x = _same(layers.Conv2D, x, f"{name}stem", filters=shape.stem, kernel_size=3, strides=2)
    number, mid = 0, None
    for count, stage in enumerate(shape.stages, start=1):
        for place in range(stage.blocks):
            x = _block(x, stage, stage.stride if place == 0 else 1, f"{name}blocks_{number}")
            number += 1
        if count == shape.mid_stage:
            mid = _same(layers.Conv2D, x, f"{name}mid", filters=shape.mid, kernel_size=1)
    deep = _same(layers.Conv2D, x, f"{name}deep", filters=shape.deep, kernel_size=1)
    coarse = layers.Conv2D(1, 1, name=f"{name}head")(deep)
    coarse = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}head_repeated")(coarse)
    fine = layers.Conv2D(1, 1, use_bias=False, name=f"{name}mid_head")(mid)
    return layers.Add(name=f"{name}evidence")([coarse, fine])


def _channel(both: Picture, place: int, name: str) -> Picture:
    """One of two channels, picked by a convolution: no layer that slices is built in."""
    pick = layers.Conv2D(1, 1, use_bias=False, name=name)
    picked = pick(both)
    pick.set_weights([np.eye(2, dtype=np.float32)[place].reshape(1, 1, 2, 1)])
    return picked


def _lung_weights(lungs: Picture) -> Picture:
    """See ``training.models.lite0.lung_weights``."""
    share = layers.AveragePooling2D(EVIDENCE_STRIDE, name="lung_share")(lungs)
    sharp = layers.Rescaling(MASK_SHARPNESS, name="lung_sharp")(share)
    rows, columns = share.shape[1:3]
    in_a_row = layers.Reshape((rows * columns,), name="lung_cells")(sharp)
    weights = layers.Softmax(name="lung_softmax")(in_a_row)
    weights = layers.Reshape((rows, columns, 1), name="lung_grid")(weights)
    return layers.Rescaling(rows * columns, name="lung_weights")(weights)


def _standardise(image: Picture, floor: float) -> Picture:
    """(x - mean) / (deviation + floor) over each picture, of built-in layers.

    Normalisation to unit length gives u = (x - mean) / (sqrt(n) s), where s is the deviation and n
    the number of pixels; the mean of u (x - mean) is s / sqrt(n). With s' = s sqrt(n / (n - 1)),
    PyTorch's deviation, s' / (s' + floor) is the softsign of s' / floor.
    """
    pixels = image.shape[1] * image.shape[2]
    # Around a half, so that the mean loses no digits.
    centred = layers.Rescaling(1.0, offset=[-0.5], name="around_half")(image)
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(centred)
    apart = layers.Subtract(name="apart")([centred, mean])
    unit = layers.UnitNormalization(axis=[1, 2, 3], name="unit")(apart)
    product = layers.Multiply(name="product")([unit, apart])
    deviation = layers.GlobalAveragePooling2D(keepdims=True, name="deviation")(product)
    unbiased = math.sqrt(pixels / (pixels - 1))
    ratio = layers.Rescaling(math.sqrt(pixels) * unbiased / floor, name="ratio")(deviation)
    share = layers.Activation("softsign", name="share")(ratio)
    gain = layers.Rescaling(math.sqrt(pixels) / unbiased, name="gain")(share)
    return layers.Multiply(name="standardised")([unit, gain])


def _local_contrast(x: Picture) -> Picture:
    """See ``training.models.units.local_contrast``.

    The quotient a / (m + floor) is a (1 - softsign(m / floor)) / floor, of built-in layers.
    """
    near, wide = LOCAL_CELLS
    mean = _smooth(x, near, "local_mean")
    apart = layers.Subtract(name="local_apart")([x, mean])
    below = layers.ReLU(name="local_below")(layers.Rescaling(-1.0, name="local_negated")(apart))
    above = layers.ReLU(name="local_above")(apart)
    distance = _smooth(layers.Add(name="local_distance")([above, below]), wide, "local_spread")
    ratio = layers.Rescaling(1 / LOCAL_FLOOR, name="local_ratio")(distance)
    share = layers.Activation("softsign", name="local_share")(ratio)
    most = LOCAL_WEIGHTS[1] / LOCAL_FLOOR
    gain = layers.Rescaling(-most, offset=most, name="local_gain")(share)
    contrast = layers.Multiply(name="local_contrast")([apart, gain])
    shades = layers.Rescaling(LOCAL_WEIGHTS[0], name="local_shades")(mean)
    return layers.Add(name="local")([shades, contrast])


def _smooth(x: Picture, cell: int, name: str) -> Picture:
    means = layers.AveragePooling2D(cell, name=f"{name}_cells")(x)
    return layers.UpSampling2D(cell, interpolation="bilinear", name=name)(means)


def _centred(x: Picture, width: int, kernel: int, stride: int, name: str) -> Picture:
    if stride > 1:
        # Of an even side, the last row and column of centred padding are never looked at.
        pad = (kernel // 2, kernel // 2 - (stride - 1))
        x = layers.ZeroPadding2D((pad, pad), name=f"{name}_pad")(x)
    x = layers.Conv2D(
        width, kernel, strides=stride, padding="same" if stride == 1 else "valid", name=name
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _same(
    layer: Callable[..., Any], x: Picture, name: str, *, rectified: bool = True, **settings: int
) -> Picture:
    x = layer(padding="same", name=name, **settings)(x)
    return layers.ReLU(max_value=6.0, name=f"{name}_relu6")(x) if rectified else x


def _block(x: Picture, stage: Stage, stride: int, name: str) -> Picture:
    y, inputs = x, x.shape[-1]
    if stage.expansion > 1:
        inner = inputs * stage.expansion
        y = _same(layers.Conv2D, y, f"{name}_expand", filters=inner, kernel_size=1)
    y = _same(
        layers.DepthwiseConv2D, y, f"{name}_depthwise", kernel_size=stage.kernel, strides=stride
    )
    y = _same(
        layers.Conv2D, y, f"{name}_project", filters=stage.width, kernel_size=1, rectified=False
    )
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and inputs == stage.width else y


def _features(x: Picture) -> Picture:
    before = max(0, (x.shape[1] - 2) // 2)
    after = max(0, x.shape[1] - 2 - before)
    middle = layers.Cropping2D(((before, after), (before, after)), name="middle")(x)
    pooled = [
        layers.GlobalAveragePooling2D(name=f"{name}_mean")(part)
        for name, part in (("whole", x), ("middle", middle))
    ]
    return layers.Concatenate(name="features")(pooled)


def _doubled(x: Picture, name: str) -> Picture:
    return layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_doubled")(x)
