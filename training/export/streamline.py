"""Rewrites the steps of an ONNX graph on which ONNX Runtime spends far more than they are worth.

All of them prepare the image: each takes microseconds of arithmetic. But where an image has its one
channel last, as Keras has it, ONNX Runtime walks it pixel by pixel instead of row by row. Together
they took a sixth of the time of both networks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.export.rewriting import Rewriting, rewrite, setting

_ELEMENTWISE: Final = frozenset({"Add", "Div", "Mul", "Sub"})


def streamline(graph: Path) -> None:
    """Rewrite a graph's file; what it computes stays the same.

    - A multiplication by one goes.
    - A number that stands beside an image gets as many dimensions as the image has. It is spread
      over the whole image in one go then, and otherwise over its last dimension, one pixel each.
    - A mean over all of an image is taken over one row of all its pixels. The order in which it
      adds is another one, so its last digit may be.
    - A convolution that picks one of several channels, as Keras does without a layer that slices,
      becomes a slice. In 8 bits it would round the view and the lungs as well.

    Args:
        graph: An ONNX file whose operators' axes are attributes (opset below 18), as the exporter
            writes it.
    """
    rewrite(graph, graph, _Streamlining)


class _Streamlining(Rewriting):
    def __init__(self, graph: Any) -> None:
        super().__init__(graph)
        self._outputs = {output.name for output in graph.output}
        self._same: dict[str, str] = {}

    def of(self, node: Any) -> Iterator[Any]:
        """See ``Rewriting``."""
        node.input[:] = [self._same.get(name, name) for name in node.input]
        if node.op_type in _ELEMENTWISE:
            yield from self._elementwise(node)
        elif node.op_type == "ReduceMean":
            yield from self._mean(node)
        elif (channel := self._picked(node)) is not None:
            yield from self._slices(node, channel)
        else:
            yield node

    def _elementwise(self, node: Any) -> Iterator[Any]:
        from onnx import numpy_helper  # noqa: PLC0415

        numbers = [place for place, name in enumerate(node.input) if name in self._initial]
        if len(numbers) == 1:
            [place] = numbers
            number = numpy_helper.to_array(self._initial[node.input[place]])
            other = node.input[1 - place]
            rank = len(self._sides.get(other, ()))
            if number.size == 1 and number.ndim <= rank:
                if node.op_type == "Mul" and number.item() == 1 and not self._is_output(node):
                    self._same[node.output[0]] = other
                    return
                spread = np.reshape(number, (1,) * rank)
                node.input[place] = self._constant(f"{node.input[place]}/{rank}", spread)
        yield node

    def _mean(self, node: Any) -> Iterator[Any]:
        from onnx import helper  # noqa: PLC0415

        settings = {it.name: helper.get_attribute_value(it) for it in node.attribute}
        sides = self._sides.get(node.input[0], [])
        axes = {axis % len(sides) for axis in settings.get("axes", ())} if sides else set()
        rest = set(range(1, len(sides))) - axes
        if not axes or 0 in axes or not settings.get("keepdims", 1) or _long(sides, rest):
            yield node
            return
        [mean] = node.output
        row = self._constant("streamline/row", np.array([0, -1]))
        back = np.array([0, *[1] * (len(sides) - 1)])
        shape = self._constant(f"streamline/{len(sides)}", back)
        yield helper.make_node("Reshape", [node.input[0], row], [f"{mean}/row"])
        yield helper.make_node("ReduceMean", [f"{mean}/row"], [f"{mean}/mean"], axes=[1])
        yield helper.make_node("Reshape", [f"{mean}/mean", shape], [mean])

    def _slices(self, node: Any, channel: int) -> Iterator[Any]:
        from onnx import helper, numpy_helper  # noqa: PLC0415

        [name] = node.output
        image, shift = node.input[0], node.input[2:]
        first, last, axis = (
            self._constant(f"streamline/at-{number}", np.array([number]))
            for number in (channel, channel + 1, 1)
        )
        picked = f"{name}/picked" if shift else name
        yield helper.make_node("Slice", [image, first, last, axis], [picked])
        if shift:
            number = numpy_helper.to_array(self._initial[shift[0]]).reshape(1, 1, 1, 1)
            yield helper.make_node("Add", [picked, self._constant(f"{name}/shift", number)], [name])

    def _picked(self, node: Any) -> int | None:
        """The one channel that a convolution gives, if it does no more than add a number to it."""
        weights = self._weights(node)
        if weights is None or weights.shape[0] != 1 or weights.shape[2:] != (1, 1):
            return None
        if any(setting(node, "pads", [0])) or not set(node.input[2:]) <= set(self._initial):
            return None
        places = np.flatnonzero(weights)
        one = len(places) == 1 and weights.flat[places[0]] == 1
        return int(places[0]) if one and set(setting(node, "strides", [1])) == {1} else None

    def _is_output(self, node: Any) -> bool:
        return not self._outputs.isdisjoint(node.output)


def _long(sides: list[int], axes: set[int]) -> bool:
    """Whether any of these axes has, or may have, more than one entry."""
    return any(sides[axis] != 1 for axis in axes)
