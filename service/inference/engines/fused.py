"""All networks of a bundle on one image: their probabilities and, if they allow it, maps.

A class activation map (Zhou et al. 2016, arXiv:1512.04150) splits an answer over the frame. Where
a network ends in global average pooling and one dense unit, its logit is the mean over the cells of
its last features of one linear function of each, so the split is exact and costs next to nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from service.imaging import InputSpec
from service.inference.errors import NotExplainableError

IMAGE: Final = "radiograph"
PROBABILITIES: Final = "probabilities"
MAPS: Final = "activation_maps"

_IDENTITY: Final = frozenset({"Dropout", "GaussianDropout", "GaussianNoise"})
_CROPPING: Final = frozenset({"CenterCrop", "Cropping2D"})


@dataclass(frozen=True, slots=True)
class Fused:
    """One model over all networks, and one over each of them.

    Attributes:
        model: Takes (N, height, width, channels) and gives probabilities, shape (N, members), or,
            if there are maps, a list of probabilities and maps, shape (N, members, h, w).
            All are float32.
        parts: Take the same and give the same of one network each.
        without_maps: One sentence why there are no maps; empty when there are.
    """

    model: Any
    parts: Sequence[Any]
    without_maps: str = ""


@dataclass(frozen=True, slots=True)
class _Step:
    """A layer on the way from the image to the features, and the shapes before and after it."""

    layer: Any
    before: tuple[int | None, ...]
    after: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """Which part of the frame the last features cover along one axis, in shares of the frame."""

    start: Fraction
    stop: Fraction
    cells: int

    @property
    def cell(self) -> Fraction:
        return (self.stop - self.start) / self.cells


@dataclass(frozen=True, slots=True)
class _Explainable:
    """The end of a network that allows a map, and where its features lie on the frame."""

    features: Any
    dense: Any
    rows: _Span
    columns: _Span


def fuse(
    models: Sequence[Any],
    spec: InputSpec,
    *,
    channels: Sequence[slice] | None = None,
) -> Fused:
    """Join networks that each take one image and give one probability.

    A map's values are in logits: summed over its grid they are the network's own logit, before any
    calibration. The grid covers the whole frame and is the coarsest one on which each cell of any
    network's features fills whole cells; what a network crops away adds nothing to its answer. A
    layer that does not crop is taken to spread its output evenly over what its input covers.

    Args:
        models: Keras models, in the order of the members.
        spec: The height and width that each of them takes, and the channels without the next.
        channels: Which channels of the joint input each takes, as ``Manifest.channels`` gives them;
            without it, all take the whole of it.
    """
    import keras

    whole = slice(0, spec.channels)
    places = channels or [whole] * len(models)
    count = max(place.stop for place in places)
    image = keras.Input((spec.height, spec.width, count), name=IMAGE)
    seen = [image if place == slice(0, count) else image[..., place] for place in places]
    try:
        ends = [_explainable(model, spec) for model in models]
        grid = (
            _grid([end.rows for end in ends], spec.height),
            _grid([end.columns for end in ends], spec.width),
        )
    except NotExplainableError as error:
        parts = [_part(model, model.outputs[0], number) for number, model in enumerate(models)]
        answers = [part(view) for part, view in zip(parts, seen, strict=True)]
        joined = _join(answers, PROBABILITIES)
        each = [keras.Model(image, _join([answer], PROBABILITIES)) for answer in answers]
        return Fused(keras.Model(image, joined), each, str(error))
    probabilities, maps = [], []
    for number, (model, end) in enumerate(zip(models, ends, strict=True)):
        answer, features = _part(model, [model.outputs[0], end.features], number)(seen[number])
        probabilities.append(answer)
        maps.append(_map(features, end, grid))
    outputs = [_join(probabilities, PROBABILITIES), _join(maps, MAPS)]
    each = [
        keras.Model(image, [_join([answer], PROBABILITIES), _join([heat], MAPS)])
        for answer, heat in zip(probabilities, maps, strict=True)
    ]
    return Fused(keras.Model(image, outputs), each)


def _part(model: Any, outputs: Any, number: int) -> Any:
    import keras

    # Two networks of one name cannot be parts of one model.
    return keras.Model(model.inputs[0], outputs, name=f"member_{number}")


def _join(tensors: list[Any], name: str) -> Any:
    import keras

    if len(tensors) == 1:
        return keras.layers.Activation("linear", dtype="float32", name=name)(tensors[0])
    return keras.layers.Concatenate(axis=1, dtype="float32", name=name)(tensors)


def _explainable(model: Any, spec: InputSpec) -> _Explainable:
    """Find the dense unit and the features under it, or say why there is no map."""
    import keras

    layer, tensor = _maker(model.outputs[0])
    if type(layer).__name__ == "Activation" and layer.activation is keras.activations.sigmoid:
        dense, tensor = _maker(tensor)
        ends_well = getattr(dense, "activation", None) is keras.activations.linear
    else:
        dense = layer
        ends_well = getattr(dense, "activation", None) is keras.activations.sigmoid
    pooling, tensor = _maker(tensor)
    while type(pooling).__name__ in _IDENTITY:
        pooling, tensor = _maker(tensor)
    if not (
        ends_well
        and type(dense).__name__ == "Dense"
        and type(pooling).__name__ == "GlobalAveragePooling2D"
        and pooling.data_format == "channels_last"
    ):
        raise NotExplainableError
    # A network for images of any size has features of any size, until it is given an image.
    image = keras.Input((spec.height, spec.width, model.inputs[0].shape[-1]))
    shape = _part(model, tensor, 0)(image).shape
    steps = list(_way(tensor, model.inputs[0]))
    rows, columns = (_span(steps, axis, shape[axis]) for axis in (1, 2))
    return _Explainable(tensor, dense, rows, columns)


def _maker(tensor: Any) -> tuple[Any, Any]:
    """The layer that made a tensor, and the first tensor that it took."""
    layer, inputs = _call(tensor)
    return layer, inputs[0] if inputs else tensor


def _call(tensor: Any) -> tuple[Any, list[Any]]:
    # Keras offers this publicly only for layers that are no networks themselves.
    history = tensor._keras_history  # noqa: SLF001
    call = history.operation._inbound_nodes[history.node_index]  # noqa: SLF001
    return history.operation, list(call.input_tensors)


def _way(tensor: Any, image: Any) -> Iterator[_Step]:
    """The layers between image and features, last first; one branch stands for all that merge."""
    while tensor is not image:
        layer, inputs = _call(tensor)
        planes = [part for part in inputs if len(part.shape) == 4]
        if not planes:
            raise NotExplainableError
        # A gate (squeeze-and-excitation) is a single cell and does not say where things are.
        taken = next((part for part in planes if part.shape[1:3] != (1, 1)), planes[0])
        if getattr(layer, "outputs", None):  # a network inside the network
            inner = layer.outputs[tensor._keras_history.tensor_index]  # noqa: SLF001
            yield from _way(inner, layer.inputs[0])
        yield _Step(layer, taken.shape, tensor.shape)
        tensor = taken


def _span(steps: Sequence[_Step], axis: int, cells: int) -> _Span:
    """Follow one axis of the frame to the features: only what crops changes what they cover."""
    start, stop = Fraction(0), Fraction(1)
    for step in reversed(steps):
        if type(step.layer).__name__ in _CROPPING:
            before, after = step.before[axis], step.after[axis]
            if before is None or after is None:
                raise NotExplainableError
            cut = getattr(step.layer, "cropping", None)
            first = (before - after) // 2 if cut is None else cut[axis - 1][0]
            pixel = (stop - start) / before
            start += first * pixel
            stop = start + after * pixel
    return _Span(start, stop, cells)


def _grid(spans: Sequence[_Span], side: int) -> int:
    """Fewest equal cells of the frame that every span starts and steps by a whole number of."""
    grid = math.lcm(*(part.denominator for span in spans for part in (span.start, span.cell)))
    if grid > side:
        raise NotExplainableError(
            "The cells of the networks' last features have no common grid on the frame."
        )
    return grid


def _map(features: Any, end: _Explainable, grid: tuple[int, int]) -> Any:
    """What each cell of the grid adds to the logit: shape (N, 1, h, w)."""
    from keras import layers

    spans = (end.rows, end.columns)
    steps = [int(span.cell * count) for span, count in zip(spans, grid, strict=True)]
    before = [int(span.start * count) for span, count in zip(spans, grid, strict=True)]
    after = [int((1 - span.stop) * count) for span, count in zip(spans, grid, strict=True)]
    share = math.prod(span.cells * step for span, step in zip(spans, steps, strict=True))
    # The dense unit at every cell, and the cell's value on each cell of the grid that it fills:
    # a transposed convolution whose kernel is as wide as its step.
    spread = layers.Conv2DTranspose(1, tuple(steps), strides=tuple(steps), dtype="float32")
    heat = spread(features)
    kernel = np.broadcast_to(np.ravel(end.dense.kernel) / share, spread.kernel.shape)
    bias = 0.0 if end.dense.bias is None else np.ravel(end.dense.bias)[0] / share
    spread.set_weights([kernel, np.full(1, bias)])
    padding = tuple(zip(before, after, strict=True))
    heat = layers.ZeroPadding2D(padding, dtype="float32")(heat)
    return layers.Reshape((1, *grid), dtype="float32")(heat)
