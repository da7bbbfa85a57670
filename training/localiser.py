"""The part of a network that finds the lungs and looks at them alone, of Keras layers only.

A spatial transformer (Jaderberg et al. 2015, arXiv:1506.02025) whose transformation is a box along
the axes, and whose box is taught by lung masks instead of by the label: how wide the frame is, how
much of the neck and the belly it shows and where its rims lie then says nothing to the layers that
follow.
"""

from functools import partial
from typing import Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from training.convolution import conv_norm

Floats = NDArray[np.float64]

PREFIX: Final = "box_"
"""Begins the name of every layer that has a part in finding the box."""

WIDTHS: Final = (16, 32, 32, 64, 64)
STRIDES: Final = (1, 2, 1, 2, 2)
HIDDEN: Final = 64

_SIDE: Final = 64
"""Side, in pixels, to which the frame is shrunk before the box is looked for."""

SMALLEST: Final = 0.2
"""Smallest side of a box, in shares of the frame's side; the largest is the whole frame."""


def locate(x: keras.KerasTensor, *, folded: bool) -> keras.KerasTensor:
    """Find the box around both lungs.

    Args:
        x: Standardised frames, shape (N, height, width, 1).
        folded: Leave the normalisations out, for they are folded into the convolutions.

    Returns:
        Centre and size of the box, shape (N, 4): column and row of the centre in shares of the
        frame, then width and height from 0 for ``SMALLEST`` to 1 for the whole frame.
    """
    # A box in 16 bits would jump by a pixel.
    convolve = partial(conv_norm, folded=folded, dtype="float32")
    pool = max(1, min(x.shape[1:3]) // _SIDE)
    x = layers.AveragePooling2D(pool, dtype="float32", name=f"{PREFIX}shrink")(x)
    for number, (width, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True)):
        name = f"{PREFIX}{number}"
        x = convolve(x, width, kernel=3, stride=stride, name=name)
        x = layers.ReLU(dtype="float32", name=f"{name}_relu")(x)
    x = layers.Flatten(dtype="float32", name=f"{PREFIX}flat")(x)
    x = layers.Dense(HIDDEN, "relu", dtype="float32", name=f"{PREFIX}hidden")(x)
    return layers.Dense(4, "sigmoid", dtype="float32", name=f"{PREFIX}answer")(x)


def look_into(
    x: keras.KerasTensor, box: keras.KerasTensor, side: int, *, margin: float
) -> keras.KerasTensor:
    """Crop each frame to its box with a margin, and stretch that to a square.

    Beyond the frame, its rim is repeated. Sampling is bilinear: two multiplications by a matrix
    that holds, for each pixel of the square, its weights on the frame's rows (or columns).

    Args:
        x: Frames, shape (N, height, width, 1).
        box: What ``locate`` found.
        side: Of the square, in pixels.
        margin: What is shown around the box at each side, in shares of the box.

    Returns:
        Shape (N, side, side, 1).
    """
    height, width = x.shape[1:3]
    share = 1 + 2 * margin
    rows = _weights(box, height, side, share, axis=1)
    columns = _weights(box, width, side, share, axis=0)
    x = layers.Reshape((height, width), dtype="float32", name=f"{PREFIX}plane")(x)
    x = layers.Dot((2, 1), dtype="float32", name=f"{PREFIX}crop_rows")([rows, x])
    x = layers.Dot((2, 2), dtype="float32", name=f"{PREFIX}crop_columns")([x, columns])
    return layers.Reshape((side, side, 1), dtype="float32", name=f"{PREFIX}square")(x)


def _weights(
    box: keras.KerasTensor, length: int, side: int, share: float, axis: int
) -> keras.KerasTensor:
    """Bilinear weights along one axis: shape (N, side, length), each row adding up to 1."""
    name = f"{PREFIX}{'xy'[axis]}"
    # Places to sample, in pixels: centre + size * (share - 1 / 2), which is linear in the box.
    shares = ((np.arange(side) + 0.5) / side - 0.5) * share
    kernel = np.zeros((4, side))
    kernel[axis] = length
    kernel[2 + axis] = length * (1 - SMALLEST) * shares
    places = _fixed(box, f"{name}_places", kernel, length * SMALLEST * shares - 0.5)
    places = layers.ReLU(max_value=length - 1, dtype="float32", name=f"{name}_inside")(places)
    places = layers.Reshape((side, 1), dtype="float32", name=f"{name}_column")(places)
    # The weight of pixel j at place p is max(0, 1 - |p - j|).
    pixels = np.arange(length, dtype=np.float64)
    ones = np.ones((1, length))
    below = _fixed(places, f"{name}_below", ones, 1 - pixels)
    above = _fixed(places, f"{name}_above", -ones, 1 + pixels)
    nearer = layers.Minimum(dtype="float32", name=f"{name}_nearer")([below, above])
    return layers.ReLU(dtype="float32", name=f"{name}_weights")(nearer)


def _fixed(x: keras.KerasTensor, name: str, kernel: Floats, bias: Floats) -> keras.KerasTensor:
    """A dense layer that computes what it is told and is never trained."""
    layer = layers.Dense(kernel.shape[1], trainable=False, dtype="float32", name=name)
    x = layer(x)
    layer.set_weights([kernel, bias])
    return x


def from_answer(answers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes in shares of the frame (centre column, centre row, width, height), of ``locate``'s."""
    sizes = SMALLEST + (1 - SMALLEST) * answers[:, 2:]
    return np.concatenate([answers[:, :2], sizes], axis=1, dtype=np.float32)


def to_answer(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ``locate`` should give for boxes in shares of the frame."""
    sizes = np.clip((boxes[:, 2:] - SMALLEST) / (1 - SMALLEST), 0, 1)
    return np.concatenate([boxes[:, :2], sizes], axis=1, dtype=np.float32)
