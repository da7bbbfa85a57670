"""Where the cells of a network's last features lie on the frame, read off the network's layers.

Two ways are known: they cover a part of the frame evenly, or they cover what the network has
sampled from it with a matrix of weights for the rows and one for the columns, which may differ from
image to image.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

import numpy as np

from service.inference.errors import NotExplainableError

_CROPPING: Final = frozenset({"CenterCrop", "Cropping2D"})
_NO_GRID: Final = "The cells of the networks' last features have no common grid on the frame."

Grid = tuple[int, int]


class Layout(Protocol):
    """Spreads what the cells add to the logit over a grid that covers the whole frame."""

    def steps(self, axis: int) -> int:
        """Of how many equal cells along an axis (0 for rows) a grid must hold a multiple."""

    def spread(self, features: Any, dense: Any, grid: Grid) -> Any:
        """What each cell of the grid adds to the logit: shape (N, 1, rows, columns).

        Args:
            features: Last features, shape (N, h, w, channels).
            dense: The unit that makes the logit of their mean.
            grid: Rows and columns.
        """


def layout_of(features: Any, image: Any, shape: Sequence[int | None]) -> Layout:
    """Follow the features back to the image.

    Args:
        features: The tensor of a functional Keras model that is averaged.
        image: The model's input.
        shape: Of the features, for an image of the size that is served.

    Raises:
        NotExplainableError: It cannot be told where they lie.
    """
    steps = list(_way(features, image))
    cells = [_known(shape[axis]) for axis in (1, 2)]
    place = next((n for n, step in enumerate(steps) if isinstance(step, _Sampling)), None)
    if place is None:
        spans = [_span(_layers(steps), axis, cells[axis - 1]) for axis in (1, 2)]
        return Evenly(*spans)
    sampling = steps[place]
    assert isinstance(sampling, _Sampling)  # noqa: S101
    for part in (steps[:place], steps[place + 1 :]):
        # What is cropped before or after would have to be followed through the sampling.
        if any(
            _span(_layers(part), axis, 1) != _Span(Fraction(0), Fraction(1), 1) for axis in (1, 2)
        ):
            raise NotExplainableError
    return Sampled(sampling.rows, sampling.columns, (cells[0], cells[1]))


def common_grid(layouts: Sequence[Layout], axis: int, side: int) -> int:
    """Fewest equal cells along an axis of the frame that suit all layouts.

    Raises:
        NotExplainableError: There are none that are a pixel or larger.
    """
    grid = math.lcm(*(layout.steps(axis) for layout in layouts))
    if grid > side:
        raise NotExplainableError(_NO_GRID)
    return grid


@dataclass(frozen=True, slots=True)
class _Span:
    """Which part of the frame the cells cover along one axis, in shares of the frame."""

    start: Fraction
    stop: Fraction
    cells: int

    @property
    def cell(self) -> Fraction:
        return (self.stop - self.start) / self.cells


@dataclass(frozen=True, slots=True)
class Evenly:
    """The cells divide a part of the frame, the same of every image, into equal parts."""

    rows: _Span
    columns: _Span

    def steps(self, axis: int) -> int:
        """Enough that each cell starts at, and fills, whole cells of the grid."""
        span = (self.rows, self.columns)[axis]
        return math.lcm(span.start.denominator, span.cell.denominator)

    def spread(self, features: Any, dense: Any, grid: Grid) -> Any:
        """See ``Layout.spread``. What the network crops away adds nothing."""
        from keras import layers  # noqa: PLC0415

        spans = (self.rows, self.columns)
        steps = [int(span.cell * count) for span, count in zip(spans, grid, strict=True)]
        before = [int(span.start * count) for span, count in zip(spans, grid, strict=True)]
        after = [int((1 - span.stop) * count) for span, count in zip(spans, grid, strict=True)]
        share = math.prod(span.cells * step for span, step in zip(spans, steps, strict=True))
        # The dense unit at every cell, and the cell's value on each cell of the grid that it fills:
        # a transposed convolution whose kernel is as wide as its step.
        spread = layers.Conv2DTranspose(1, tuple(steps), strides=tuple(steps), dtype="float32")
        heat = spread(features)
        kernel = np.broadcast_to(np.ravel(dense.kernel) / share, spread.kernel.shape)
        spread.set_weights([kernel, np.full(1, _bias(dense) / share)])
        padding = tuple(zip(before, after, strict=True))
        heat = layers.ZeroPadding2D(padding, dtype="float32")(heat)
        return layers.Reshape((1, *grid), dtype="float32")(heat)


@dataclass(frozen=True, slots=True)
class Sampled:
    """The cells divide what was sampled from the frame, another part of it for each image.

    Attributes:
        rows: Weights with which each row of the sample was made, shape (N, side, height).
        columns: The same for the columns, shape (N, side, width).
        cells: Rows and columns of the features.
    """

    rows: Any
    columns: Any
    cells: Grid

    def steps(self, axis: int) -> int:
        """Enough that a cell's place can be seen, and that each is some whole pixels."""
        length = _known((self.rows, self.columns)[axis].shape[2])
        wanted = 2 * self.cells[axis]
        return next(n for n in range(min(wanted, length), length + 1) if length % n == 0)

    def spread(self, features: Any, dense: Any, grid: Grid) -> Any:
        """See ``Layout.spread``. A cell adds to the pixels that it was sampled from, as it did."""
        from keras import layers, ops  # noqa: PLC0415

        at_cell = layers.Conv2D(1, 1, dtype="float32")
        heat = ops.squeeze(at_cell(features), -1)
        count = math.prod(self.cells)
        at_cell.set_weights(
            [
                np.reshape(dense.kernel, at_cell.kernel.shape) / count,
                np.full(1, _bias(dense) / count),
            ]
        )
        rows, columns = (
            _gathered(weights, cells, parts)
            for weights, cells, parts in zip(
                (self.rows, self.columns), self.cells, grid, strict=True
            )
        )
        heat = ops.matmul(ops.matmul(ops.transpose(rows, (0, 2, 1)), heat), columns)
        return ops.expand_dims(heat, 1)


def _gathered(weights: Any, cells: int, parts: int) -> Any:
    """Weights of pixels on pixels, as those of cells on parts of the grid: each cell's add to 1."""
    from keras import ops  # noqa: PLC0415

    side, length = (_known(size) for size in weights.shape[1:])
    if side % cells or length % parts:
        raise NotExplainableError(_NO_GRID)
    shape = (-1, cells, side // cells, parts, length // parts)
    gathered = ops.sum(ops.reshape(weights, shape), axis=(2, 4))
    return gathered / ops.sum(gathered, axis=2, keepdims=True)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer on the way from the image to the features, and the shapes before and after it."""

    layer: Any
    before: tuple[int | None, ...]
    after: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Sampling:
    """Layers that sample a plane: rows x plane x columns, transposed."""

    rows: Any
    columns: Any
    plane: Any


def call_of(tensor: Any) -> tuple[Any, list[Any]]:
    """The layer that made a tensor, and what it took."""
    # Keras offers this publicly only for layers that are no networks themselves.
    history = tensor._keras_history  # noqa: SLF001
    call = history.operation._inbound_nodes[history.node_index]  # noqa: SLF001
    return history.operation, list(call.input_tensors)


def _way(tensor: Any, image: Any) -> Iterator[_Layer | _Sampling]:
    """The layers between image and features, last first; one branch stands for all that merge."""
    while tensor is not image:
        sampling = _sampling(tensor)
        if sampling is not None:
            yield sampling
            tensor = sampling.plane
            continue
        layer, inputs = call_of(tensor)
        planes = [part for part in inputs if len(part.shape) == 4]
        if not planes:
            raise NotExplainableError
        # A gate (squeeze-and-excitation) is a single cell and does not say where things are.
        taken = next((part for part in planes if part.shape[1:3] != (1, 1)), planes[0])
        if getattr(layer, "outputs", None):  # a network inside the network
            inner = layer.outputs[tensor._keras_history.tensor_index]  # noqa: SLF001
            yield from _way(inner, layer.inputs[0])
        yield _Layer(layer, taken.shape, tensor.shape)
        tensor = taken


def _sampling(square: Any) -> _Sampling | None:
    """The sampling that a tensor ends, or None: a plane between two products, and its channel."""
    found = _made_by("Reshape", square)
    if found is None or len(found[0].shape) != 3:
        return None
    across = _made_by("Dot", found[0], axes=(2, 2))
    down = across and _made_by("Dot", across[0], axes=(2, 1))
    flat = down and _made_by("Reshape", down[1])
    if not (across and down and flat) or flat[0].shape[-1] != 1 or square.shape[-1] != 1:
        return None
    return _Sampling(rows=down[0], columns=across[1], plane=flat[0])


def _made_by(kind: str, tensor: Any, axes: tuple[int, int] | None = None) -> list[Any] | None:
    """What the layer took that made a tensor, if it is of this kind."""
    layer, inputs = call_of(tensor)
    if type(layer).__name__ != kind:
        return None
    if axes is not None and (tuple(layer.axes) != axes or layer.normalize):
        return None
    return inputs


def _layers(steps: Sequence[_Layer | _Sampling]) -> list[_Layer]:
    return [step for step in steps if isinstance(step, _Layer)]


def _span(steps: Sequence[_Layer], axis: int, cells: int) -> _Span:
    """Follow one axis of the frame to the features: only what crops changes what they cover."""
    start, stop = Fraction(0), Fraction(1)
    for step in reversed(steps):
        if type(step.layer).__name__ in _CROPPING:
            before, after = _known(step.before[axis]), _known(step.after[axis])
            cut = getattr(step.layer, "cropping", None)
            first = (before - after) // 2 if cut is None else cut[axis - 1][0]
            pixel = (stop - start) / before
            start += first * pixel
            stop = start + after * pixel
    return _Span(start, stop, cells)


def _known(size: int | None) -> int:
    if size is None:
        raise NotExplainableError
    return size


def _bias(dense: Any) -> float:
    return 0.0 if dense.bias is None else float(np.ravel(dense.bias)[0])
