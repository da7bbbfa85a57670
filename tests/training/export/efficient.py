"""Networks of the forms that training makes, with random weights."""

from collections.abc import Iterator
from typing import Any, Final

import keras
import numpy as np
from keras import layers

BLOCKS: Final = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Of EfficientNet-Lite0: expansion, kernel, stride, channels, repeats (Liu 2020)."""


def efficient_lite(side: int, *, seed: int = 0, width: float = 1.0) -> Any:
    """EfficientNet-Lite0 whose features join the last two scales.

    Args:
        side: Of the input, in pixels; the maps have a sixteenth of it.
        seed: Another seed gives other weights.
        width: Factor on the channels.
    """
    keras.utils.set_random_seed(seed)
    image = keras.Input((side, side, 1))
    x = layers.GroupNormalization(groups=1, center=False, scale=False)(image)
    x = _convolution(x, _channels(32, width), 3, 2)
    middle = x
    for expansion, kernel, stride, channels, repeats in BLOCKS:
        for number in range(repeats):
            if stride == 2 and channels == 192 and number == 0:
                middle = x
            step = stride if number == 0 else 1
            x = _block(x, expansion, kernel, step, _channels(channels, width))
    deep = layers.UpSampling2D(2, interpolation="nearest")(x)
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()([deep, middle]))
    x = layers.Dropout(0.2)(x)
    model = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    _settle(model, side)
    return model


def unet(side: int, *, seed: int = 0, widths: tuple[int, ...] = (8, 16, 24)) -> Any:
    """A U-Net that standardises its image: depthwise-free, enlarged by nearest neighbours."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((side, side, 1))
    x = layers.GroupNormalization(groups=1, center=False, scale=False)(image)
    skips = []
    for width in widths:
        x = _convolution(x, width, 3, 1)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = _convolution(x, widths[-1], 3, 1)
    for width, skip in zip(reversed(widths), reversed(skips), strict=True):
        x = layers.Concatenate()([layers.UpSampling2D(2)(x), skip])
        x = _convolution(x, width, 3, 1)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


def _channels(channels: int, width: float) -> int:
    return max(8, round(channels * width / 8) * 8)


def _convolution(x: Any, filters: int, kernel: int, stride: int) -> Any:
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU(6)(layers.BatchNormalization()(x))


def _block(x: Any, expansion: int, kernel: int, stride: int, channels: int) -> Any:
    skip, inner = x, x
    if expansion > 1:
        inner = _convolution(inner, expansion * x.shape[-1], 1, 1)
    inner = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(inner)
    inner = layers.ReLU(6)(layers.BatchNormalization()(inner))
    inner = layers.Conv2D(channels, 1, padding="same", use_bias=False)(inner)
    inner = layers.BatchNormalization()(inner)
    same = stride == 1 and skip.shape[-1] == channels
    return layers.Add()([inner, skip]) if same else inner


def _settle(model: Any, side: int) -> None:
    """Give the batch normalisations statistics of noise, as training would of radiographs."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(size=(8, side, side, 1)).astype(np.float32)
    for layer in _normalisations(model):
        layer.momentum = 0.0
    model(noise, training=True)


def _normalisations(model: Any) -> Iterator[Any]:
    yield from (layer for layer in model.layers if type(layer).__name__ == "BatchNormalization")
