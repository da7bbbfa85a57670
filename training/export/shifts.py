"""Takes back what rounding the weights of a graph did to the means of its convolutions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

IMAGES: Final = 32
"""Enough: each mean is over all cells of a map as well."""


def correct_shifts(exact: Path, narrow: Path, images: Floats) -> None:
    """Change the biases of an 8-bit graph so that its convolutions answer as before on average.

    The rounding errors of one channel's weights do not cancel where its inputs are mostly above
    zero, as rectified ones are, and a few of them are many in a depthwise convolution. All cells of
    the map are shifted alike then, which later layers cannot tell from evidence (Nagel et al. 2019,
    arXiv:1906.04721, section 4.2; measured here, not derived).

    Args:
        exact: The graph in 32 bits that was quantised.
        narrow: The same in QDQ format; changed.
        images: As for ``quantise``; ``IMAGES`` of them are used, drawn evenly.
    """
    import onnx  # noqa: PLC0415
    from onnx import numpy_helper  # noqa: PLC0415

    small = onnx.load(narrow)
    rounded = list(_rounded(small.graph))
    if not rounded:
        return
    shifts = _shifts(onnx.load(exact), {name: weights for name, weights, _ in rounded}, images)
    for name, _, (bias, scale) in rounded:
        steps = np.round(shifts[name] / numpy_helper.to_array(scale).astype(np.float64))
        corrected = (numpy_helper.to_array(bias) - steps).astype(np.int32)
        bias.CopyFrom(numpy_helper.from_array(corrected, bias.name))
    onnx.save(small, narrow)


def _rounded(graph: Any) -> Iterator[tuple[str, Floats, tuple[Any, Any]]]:
    """Name, weights, and bias with its scale, of each convolution with weights in 8 bits."""
    from onnx import numpy_helper  # noqa: PLC0415

    initial = {tensor.name: tensor for tensor in graph.initializer}
    widening = {
        node.output[0]: [initial[name] for name in node.input]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in initial
    }
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[1] in widening:
            steps, scale = map(numpy_helper.to_array, widening[node.input[1]][:2])
            weights = steps.astype(np.float32) * scale.reshape(-1, 1, 1, 1)
            bias, scale_of_bias, *_ = widening[node.input[2]]
            yield node.name, weights, (bias, scale_of_bias)


def _shifts(model: Any, rounded: dict[str, Floats], images: Floats) -> dict[str, Floats]:
    """Mean change of each channel of each convolution, where its weights alone are rounded."""
    import onnxruntime  # noqa: PLC0415
    from onnx import helper, numpy_helper  # noqa: PLC0415

    graph = model.graph
    initial = {tensor.name: tensor for tensor in graph.initializer}
    names = []
    for node in [node for node in graph.node if node.name in rounded]:
        change = rounded[node.name] - numpy_helper.to_array(initial[node.input[1]])
        weights, output, mean = (f"{node.name}/{it}" for it in ("change", "changed", "shift"))
        graph.initializer.append(numpy_helper.from_array(change, weights))
        probe = graph.node.add()
        probe.CopyFrom(node)
        probe.name, probe.input[:], probe.output[:] = output, [node.input[0], weights], [output]
        graph.node.append(helper.make_node("GlobalAveragePool", [output], [mean], name=mean))
        names.append(node.name)
    del graph.output[:]
    graph.output.extend(helper.make_empty_tensor_value_info(f"{name}/shift") for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    image = session.get_inputs()[0].name
    shown = images[:: max(1, len(images) // IMAGES)]
    runs = [session.run(None, {image: each[None]}) for each in shown]
    means = [np.mean(each, axis=0).ravel() for each in zip(*runs, strict=True)]
    return dict(zip(names, means, strict=True))
