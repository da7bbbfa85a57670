"""Rewrites the convolutions of an ONNX graph into forms that cost less once they are in 8 bits.

What the graph computes stays the same, but for the order in which it adds. In 32 bits the new forms
take longer, so that only the graph which is quantised gets them.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.export.rewriting import Rewriting, rewrite, setting

Floats = NDArray[np.float32]


def suit_eight_bits(graph: Path, target: Path, kept: Collection[str] = ()) -> None:
    """Rewrite a graph's convolutions for quantisation.

    - A convolution of an image with one channel, in steps of two pixels, becomes one over the four
      channels of its 2x2 blocks, in steps of one. ONNX Runtime gathers what an 8-bit convolution
      multiplies channel by channel, and took longer for one channel than for thirty-two.
    - An average over blocks before a convolution of single pixels becomes a part of it. The average
      of 8-bit numbers took several times as long as the convolution, which has to multiply anyway.

    Args:
        graph: An ONNX file.
        target: The new graph's file.
        kept: Names of convolutions that stay as they are.
    """
    rewrite(graph, target, partial(_SuitingEightBits, kept=kept))


class _SuitingEightBits(Rewriting):
    def __init__(self, graph: Any, kept: Collection[str]) -> None:
        super().__init__(graph)
        self._kept = kept
        self._makers = {name: node for node in graph.node for name in node.output}
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(output.name for output in graph.output)

    def of(self, node: Any) -> Iterator[Any]:
        """See ``Rewriting``."""
        weights = self._weights(node)
        if weights is None or node.name in self._kept:
            yield node
        elif self._looks_at_every_other_pixel(node, weights):
            yield from self._over_blocks(node, weights)
        elif (pooling := self._averaged(node, weights)) is not None:
            yield self._with_average(node, weights, pooling)
        else:
            yield node

    def _looks_at_every_other_pixel(self, node: Any, weights: Floats) -> bool:
        sides = self._sides.get(node.input[0], [])[2:]
        even = len(sides) == 2 and all(side and side % 2 == 0 for side in sides)
        return even and weights.shape[1] == 1 and setting(node, "strides", [1, 1]) == [2, 2]

    def _over_blocks(self, node: Any, weights: Floats) -> Iterator[Any]:
        from onnx import helper  # noqa: PLC0415

        rows, columns = (side // 2 for side in self._sides[node.input[0]][2:])
        padded = setting(node, "pads", [0, 0, 0, 0])
        filled, pads = weights, [0, 0, 0, 0]
        for axis, blocks in enumerate((rows, columns)):
            size, before, after = weights.shape[2 + axis], padded[axis], padded[2 + axis]
            steps = (2 * blocks + before + after - size) // 2 + 1
            # Where the first pixel looked at is not the first of its block, a zero comes before it.
            lead = before % 2
            tail = (lead + size) % 2
            widths = [(0, 0)] * 4
            widths[2 + axis] = (lead, tail)
            filled = np.pad(filled, widths)
            pads[axis] = (before + lead) // 2
            pads[2 + axis] = steps + (lead + size + tail) // 2 - 1 - blocks - pads[axis]
        count, _, *sizes = filled.shape
        spread = filled.reshape(count, sizes[0] // 2, 2, sizes[1] // 2, 2)
        over_blocks = spread.transpose(0, 2, 4, 1, 3).reshape(count, 4, *(s // 2 for s in sizes))
        [name] = node.output
        # A block's pixels last, as ONNX Runtime wants them, and then as ONNX has them: the second
        # turn is undone by one of its own.
        halves = self._constant(f"{name}/halves", np.array([0, rows, 2, columns, 2]))
        blocked = self._constant(f"{name}/blocks", np.array([0, rows, columns, 4]))
        yield helper.make_node("Reshape", [node.input[0], halves], [f"{name}/halved"])
        perm = [0, 1, 3, 2, 4]
        yield helper.make_node("Transpose", [f"{name}/halved"], [f"{name}/turned"], perm=perm)
        yield helper.make_node("Reshape", [f"{name}/turned", blocked], [f"{name}/last"])
        perm = [0, 3, 1, 2]
        yield helper.make_node("Transpose", [f"{name}/last"], [f"{name}/image"], perm=perm)
        yield self._convolution(node, f"{name}/image", over_blocks, strides=[1, 1], pads=pads)

    def _averaged(self, node: Any, weights: Floats) -> Any | None:
        """The average over blocks that this convolution of single pixels alone takes."""
        pooling = self._makers.get(node.input[0])
        single = weights.shape[2:] == (1, 1) and not any(setting(node, "pads", [0]))
        single &= set(setting(node, "strides", [1])) == {1}
        if not single or pooling is None or pooling.op_type != "AveragePool":
            return None
        blocks = setting(pooling, "kernel_shape", []) == setting(pooling, "strides", [])
        blocks &= len(setting(pooling, "kernel_shape", [])) == 2
        blocks &= not any(setting(pooling, "pads", [0])) and not setting(pooling, "ceil_mode", 0)
        blocks &= setting(pooling, "auto_pad", b"NOTSET") in {b"NOTSET", b"VALID"}
        return pooling if blocks and self._uses[node.input[0]] == 1 else None

    def _with_average(self, node: Any, weights: Floats, pooling: Any) -> Any:
        sizes = setting(pooling, "kernel_shape", [])
        shares = np.ones(sizes, np.float32) / math.prod(sizes)
        wide = (weights * shares).astype(np.float32)
        return self._convolution(node, pooling.input[0], wide, strides=sizes, pads=[0, 0, 0, 0])

    def _convolution(self, node: Any, image: str, weights: Floats, **settings: Any) -> Any:
        from onnx import helper  # noqa: PLC0415

        name = self._constant(f"{node.output[0]}/weights", weights)
        return helper.make_node(
            "Conv",
            [image, name, *node.input[2:]],
            node.output,
            name=node.name,
            kernel_shape=weights.shape[2:],
            **settings,
        )
