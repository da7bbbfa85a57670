"""The member networks: small residual CNNs over three views of the frame, of Keras layers only.

Residual blocks after He et al. 2016 (arXiv:1512.03385) with the averaging shortcut of ResNet-D
(arXiv:1812.01187); squeeze-and-excitation after Hu et al. 2018 (arXiv:1709.01507). Both members end
in global average pooling and one dense unit, so that a class activation map (Zhou et al. 2016,
arXiv:1512.04150) is exact.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import keras
from keras import layers

from service.imaging import InputSpec
from training import localiser
from training.config import Architecture
from training.convolution import carry_folded, conv_norm

PNEUMONIA: Final = "pneumonia"
AETIOLOGY: Final = "aetiology"

_LOCAL_MEAN: Final = 16
"""Side, in pixels, of the cells whose mean the local-contrast view removes."""

_LOCAL_CROP: Final = 12
"""Share of the frame's side that the local-contrast view crops at each border: 1 / 12."""

_MARGINS: Final = {"chest": 0.2, "lung-field": 0.08}
"""What a view shows around the box of the lungs, at each side and in shares of the box."""

_LUNG_SIDE: Final = 5 / 6
"""Side of the square that shows the lung field, in shares of the frame's: about what it has."""

_LUNG_STEP: Final = 16
"""That side is a multiple of so many pixels, so that the trunk's cells divide it."""


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
    model = keras.Model(inputs, outputs, name="trainable")
    for layer in model.layers:
        # What finds the lungs has been taught by masks; the label would teach it other places.
        if layer.name.startswith(localiser.PREFIX):
            layer.trainable = False
    return model


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
    carry_folded(trained, member)
    return member


def build_localiser(spec: InputSpec) -> keras.Model:
    """Build the part that finds the lungs on its own, to be taught by masks.

    Returns:
        Model from (N, height, width, 1) to (N, 4), see ``localiser.locate``.
    """
    inputs = keras.Input((spec.height, spec.width, 1), name="radiograph")
    return keras.Model(inputs, localiser.locate(_standardised(inputs), folded=False))


def _features(
    spec: InputSpec, architecture: Architecture, *, folded: bool
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """A frame and what the network sees in it: shapes (N, height, width, channels), (N, h, w, c).

    ``folded`` leaves the normalisations out, for they are folded into the convolutions.
    """
    inputs = keras.Input((spec.height, spec.width, spec.channels), name="radiograph")
    return inputs, _trunk(
        _view(inputs, architecture.view, folded=folded), architecture, folded=folded
    )


def _view(inputs: keras.KerasTensor, view: str, *, folded: bool) -> keras.KerasTensor:
    x = _standardised(inputs)
    if view == "whole-frame":
        return x
    if view in _MARGINS:
        box = localiser.locate(x, folded=folded)
        side = _LUNG_STEP * round(_LUNG_SIDE * x.shape[1] / _LUNG_STEP)
        x = localiser.look_into(x, box, side, margin=_MARGINS[view])
        return _standardise("standardise_lungs")(x)
    # Local contrast: without the slow shading, what is left is texture and edges, such as air
    # bronchograms, vessel markings and the heart's border. The frame's rim, with its markers, goes.
    shading = layers.AveragePooling2D(_LOCAL_MEAN, name="cells")(x)
    shading = layers.UpSampling2D(_LOCAL_MEAN, interpolation="bilinear", name="shading")(shading)
    x = layers.Subtract(name="local_contrast")([x, shading])
    x = layers.Cropping2D(x.shape[1] // _LOCAL_CROP, name="crop")(x)
    return _standardise("standardise_local")(x)


def _standardised(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Normalise the frame per image: exposure and display window must not matter."""
    # Standardising takes the variance as E[x^2] - E[x]^2. Far from 0 that difference loses half its
    # digits in 32 bits, and engines that add in another order would answer differently.
    centred = layers.Rescaling(1.0, offset=-0.5, dtype="float32", name="centre")(inputs)
    return _standardise("standardise")(centred)


def _standardise(name: str) -> keras.layers.Layer:
    """Zero mean and unit variance over each image: normalisation with a single group."""
    return layers.GroupNormalization(
        groups=1, axis=-1, epsilon=1e-4, center=False, scale=False, dtype="float32", name=name
    )


def _trunk(x: keras.KerasTensor, architecture: Architecture, *, folded: bool) -> keras.KerasTensor:
    convolve = partial(conv_norm, folded=folded)
    x = convolve(x, architecture.stem_width, kernel=5, stride=2, name="stem")
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    stages = zip(architecture.widths, architecture.depths, strict=True)
    for stage, (width, depth) in enumerate(stages):
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            name = f"s{stage}b{block}"
            x = _block(convolve, x, width, stride, squeeze=architecture.squeeze, name=name)
    return x


def _block(
    convolve: Callable[..., keras.KerasTensor],
    x: keras.KerasTensor,
    width: int,
    stride: int,
    *,
    squeeze: bool,
    name: str,
) -> keras.KerasTensor:
    y = convolve(x, width, kernel=3, stride=stride, name=f"{name}_a")
    y = layers.ReLU(name=f"{name}_a_relu")(y)
    y = convolve(y, width, kernel=3, stride=1, name=f"{name}_b")
    if squeeze:
        y = _squeeze_and_excite(y, name)
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shrink")(x)
    if x.shape[-1] != width:
        x = convolve(x, width, kernel=1, stride=1, name=f"{name}_widen")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def _squeeze_and_excite(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    width = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(max(width // 4, 8), 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(width, 1, activation="sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])
