"""The member networks: small residual CNNs over two views of the frame, of Keras layers only.

Residual blocks after He et al. 2016 (arXiv:1512.03385) with the averaging shortcut of ResNet-D
(arXiv:1812.01187); squeeze-and-excitation after Hu et al. 2018 (arXiv:1709.01507). Both members end
in global average pooling and one dense unit, so that a class activation map (Zhou et al. 2016,
arXiv:1512.04150) is exact.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from service.imaging import InputSpec
from training.config import Architecture

PNEUMONIA: Final = "pneumonia"
AETIOLOGY: Final = "aetiology"

_CONV: Final = "_conv"
_NORM: Final = "_norm"
"""Ends of the names of a convolution and of the normalisation that follows it."""

_LOCAL_MEAN: Final = 16
"""Side, in pixels, of the cells whose mean the local-contrast view removes."""

_LOCAL_CROP: Final = 12
"""Share of the frame's side that the local-contrast view crops at each border: 1 / 12."""


def build_trainable(spec: InputSpec, architecture: Architecture) -> keras.Model:
    """Build a network with both heads.

    The second head, normal / bacterial / viral, is a training signal only: telling the two kinds of
    pneumonia apart makes the shared features describe the lung rather than the file.

    Returns:
        Model from (N, height, width, channels) to a dict of ``pneumonia``, shape (N, 1), the
        probability of pneumonia, and ``aetiology``, shape (N, 3).
    """
    inputs, features = _features(spec, architecture, folded=False)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(features)
    dropped = layers.Dropout(architecture.dropout, name="dropout")(pooled)
    # Probabilities and losses stay in float32 when the trunk runs in bfloat16.
    outputs = {
        PNEUMONIA: layers.Dense(1, "sigmoid", dtype="float32", name=PNEUMONIA)(dropped),
        AETIOLOGY: layers.Dense(3, "softmax", dtype="float32", name=AETIOLOGY)(dropped),
    }
    return keras.Model(inputs, outputs, name="trainable")


def member_of(trained: keras.Model, spec: InputSpec, architecture: Architecture) -> keras.Model:
    """Make the served member of a trained network.

    It has the pneumonia head alone and computes in float32. Each normalisation is folded into the
    convolution before it, and the weights of convolutions are rounded to what 16 bits hold, so that
    the compiled graph takes half the space. Held-out figures are those of this network.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        inputs, features = _features(spec, architecture, folded=True)
        pooled = layers.GlobalAveragePooling2D(name="pooled")(features)
        answer = layers.Dense(1, "sigmoid", name=PNEUMONIA)(pooled)
    finally:
        keras.config.set_dtype_policy(policy)
    member = keras.Model(inputs, answer, name="member")
    for layer in member.layers:
        weights = trained.get_layer(layer.name).get_weights()
        if layer.name.endswith(_CONV):
            norm = trained.get_layer(layer.name.removesuffix(_CONV) + _NORM)
            weights = _folded(weights[0], norm)
        layer.set_weights([_halved(each) if each.ndim == 4 else each for each in weights])
    return member


def _folded(kernel: NDArray[np.float32], norm: layers.BatchNormalization) -> list[Any]:
    """Kernel and bias of a convolution that does what the two layers do."""
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [kernel * scale, beta - mean * scale]


def _halved(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    return weights.astype(np.float16).astype(np.float32)


def _features(
    spec: InputSpec, architecture: Architecture, *, folded: bool
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A frame and what the network sees in it: shapes (N, height, width, channels), (N, h, w, c).

    ``folded`` leaves the normalisations out, for they are folded into the convolutions.
    """
    inputs = keras.Input((spec.height, spec.width, spec.channels), name="radiograph")
    return inputs, _trunk(_view(inputs, architecture.view), architecture, folded=folded)


def _view(inputs: keras.KerasTensor, view: str) -> keras.KerasTensor:
    """Normalise the frame per image: exposure and display window must not matter."""
    # Standardising takes the variance as E[x^2] - E[x]^2. Far from 0 that difference loses half its
    # digits in 32 bits, and engines that add in another order would answer differently.
    centred = layers.Rescaling(1.0, offset=-0.5, dtype="float32", name="centre")(inputs)
    x = _standardise("standardise")(centred)
    if view == "whole-frame":
        return x
    # Local contrast: without the slow shading, what is left is texture and edges, such as air
    # bronchograms, vessel markings and the heart's border. The frame's rim, with its markers, goes.
    shading = layers.AveragePooling2D(_LOCAL_MEAN, name="cells")(x)
    shading = layers.UpSampling2D(_LOCAL_MEAN, interpolation="bilinear", name="shading")(shading)
    x = layers.Subtract(name="local_contrast")([x, shading])
    x = layers.Cropping2D(x.shape[1] // _LOCAL_CROP, name="crop")(x)
    return _standardise("standardise_local")(x)


def _standardise(name: str) -> keras.layers.Layer:
    """Zero mean and unit variance over each image: normalisation with a single group."""
    return layers.GroupNormalization(
        groups=1, axis=-1, epsilon=1e-4, center=False, scale=False, dtype="float32", name=name
    )


def _trunk(x: keras.KerasTensor, architecture: Architecture, *, folded: bool) -> keras.KerasTensor:
    conv_norm = partial(_conv_norm, folded=folded)
    x = conv_norm(x, architecture.stem_width, kernel=5, stride=2, name="stem")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    stages = zip(architecture.widths, architecture.depths, strict=True)
    for stage, (width, depth) in enumerate(stages):
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            name = f"s{stage}b{block}"
            x = _block(conv_norm, x, width, stride, squeeze=architecture.squeeze, name=name)
    return x


def _block(
    conv_norm: Callable[..., keras.KerasTensor],
    x: keras.KerasTensor,
    width: int,
    stride: int,
    *,
    squeeze: bool,
    name: str,
) -> keras.KerasTensor:
    y = conv_norm(x, width, kernel=3, stride=stride, name=f"{name}_a")
    y = layers.ReLU(name=f"{name}_a_relu")(y)
    y = conv_norm(y, width, kernel=3, stride=1, name=f"{name}_b")
    if squeeze:
        y = _squeeze_and_excite(y, name)
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shrink")(x)
    if x.shape[-1] != width:
        x = conv_norm(x, width, kernel=1, stride=1, name=f"{name}_widen")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _squeeze_and_excite(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    width = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(max(width // 4, 8), 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(width, 1, activation="sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])


def _conv_norm(
    x: keras.KerasTensor, width: int, *, kernel: int, stride: int, name: str, folded: bool
) -> keras.KerasTensor:
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=folded,
        kernel_initializer="he_normal",
        name=f"{name}{_CONV}",
    )(x)
    if folded:
        return x
    # The running statistics follow within tens of steps: with Keras' default of 0.99 they lag
    # behind a fast-changing network, and accuracy at a fixed threshold swings between epochs.
    return layers.BatchNormalization(momentum=0.9, name=f"{name}{_NORM}")(x)
