"""What every rewriting of an ONNX graph has in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rewriting(ABC):
    """What is known of a graph, and what its new nodes need.

    Args:
        graph: Of an ONNX model, with the shapes of its values inferred.

    Attributes:
        constants: Those that the new nodes take, by name.
    """

    def __init__(self, graph: Any) -> None:
        self.constants: dict[str, Any] = {}
        self._initial = {tensor.name: tensor for tensor in graph.initializer}
        self._sides = {
            value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info, *graph.output)
            if value.type.tensor_type.HasField("shape")
        }

    def _weights(self, node: Any) -> NDArray[np.float32] | None:
        """Of a plain two-dimensional convolution: (channels out, channels in, rows, columns)."""
        from onnx import numpy_helper  # noqa: PLC0415

        if node.op_type != "Conv" or node.input[1] not in self._initial:
            return None
        weights = numpy_helper.to_array(self._initial[node.input[1]])
        plain = setting(node, "auto_pad", b"NOTSET") in {b"NOTSET", b"VALID"}
        plain &= setting(node, "group", 1) == 1
        plain &= set(setting(node, "dilations", [1])) == {1}
        return weights if plain and weights.ndim == 4 and weights.dtype == np.float32 else None

    @abstractmethod
    def of(self, node: Any) -> Iterator[Any]:
        """The nodes that take a node's place, which come after those of all nodes before it."""

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper  # noqa: PLC0415

        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name


def rewrite(graph: Path, target: Path, kind: Callable[[Any], Rewriting]) -> None:
    """Write a graph with each node rewritten, and without what nobody takes any more.

    Args:
        graph: An ONNX file.
        target: The new graph's file; may be the same.
        kind: Makes the rewriting.
    """
    import onnx  # noqa: PLC0415

    model = onnx.load(graph)
    rewriting = kind(onnx.shape_inference.infer_shapes(model).graph)
    nodes = [new for node in model.graph.node for new in rewriting.of(node)]
    used = {name for node in nodes for name in node.input}
    used |= {output.name for output in model.graph.output}
    constants = [*model.graph.initializer, *rewriting.constants.values()]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(node for node in nodes if used.intersection(node.output))
    model.graph.initializer.extend(tensor for tensor in constants if tensor.name in used)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def setting(node: Any, name: str, otherwise: Any) -> Any:
    """An attribute of a node, or what ONNX takes where it is not given."""
    from onnx import helper  # noqa: PLC0415

    given = (it for it in node.attribute if it.name == name)
    return next((helper.get_attribute_value(it) for it in given), otherwise)
