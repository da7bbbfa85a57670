"""A convolution with its normalisation, and the convolution alone that does what the two do."""

from typing import Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

CONV: Final = "_conv"
NORM: Final = "_norm"
"""Ends of the names of a convolution and of the normalisation that follows it."""

Weights = NDArray[np.float32]


def conv_norm(
    x: keras.KerasTensor,
    width: int,
    *,
    kernel: int,
    stride: int,
    name: str,
    folded: bool,
    dtype: str | None = None,
) -> keras.KerasTensor:
    """Convolve and normalise, or, if ``folded``, only convolve: then with a bias."""
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=folded,
        kernel_initializer="he_normal",
        dtype=dtype,
        name=f"{name}{CONV}",
    )(x)
    if folded:
        return x
    # The running statistics follow within tens of steps: with Keras' default of 0.99 they lag
    # behind a fast-changing network, and accuracy at a fixed threshold swings between epochs.
    return layers.BatchNormalization(momentum=0.9, dtype=dtype, name=f"{name}{NORM}")(x)


def carry(part: keras.Model, whole: keras.Model) -> None:
    """Give a network the weights of a part of it, by the names of the layers."""
    for layer in part.layers:
        whole.get_layer(layer.name).set_weights(layer.get_weights())


def carry_folded(trained: keras.Model, member: keras.Model) -> None:
    """Give a network without normalisations the weights of one with them, layer by layer.

    Each normalisation is folded into the convolution before it, and the weights of convolutions are
    rounded to what 16 bits hold.
    """
    for layer in member.layers:
        weights = trained.get_layer(layer.name).get_weights()
        if layer.name.endswith(CONV):
            norm = trained.get_layer(layer.name.removesuffix(CONV) + NORM)
            weights = _folded(weights[0], norm)
        layer.set_weights([_halved(each) if each.ndim == 4 else each for each in weights])


def _folded(kernel: Weights, norm: layers.BatchNormalization) -> list[Weights]:
    """Kernel and bias of a convolution that does what the two layers do."""
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [kernel * scale, beta - mean * scale]


def _halved(weights: Weights) -> Weights:
    return weights.astype(np.float16).astype(np.float32)
