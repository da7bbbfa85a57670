"""Rewritten convolutions compute what they did, and others are let alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.export.eight_bits import suit_eight_bits

Floats = NDArray[np.float32]

RANDOM = np.random.default_rng(0)


def write(
    path: Path, nodes: list[Any], shape: tuple[int, ...], answers: int = 1, **constants: Floats
) -> Path:
    """A graph from ``image``, (N, *shape), over these nodes to ``answer``, or to several."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", *shape])
    names = ["answer", "other"][:answers]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * 4) for n in names]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", [image], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def numbers(*shape: int) -> Floats:
    return RANDOM.normal(size=shape).astype(np.float32)


def convolution(image: str = "image", answer: str = "answer", **settings: Any) -> Any:
    return helper.make_node("Conv", [image, "weights", "shift"], [answer], **settings)


def average(size: tuple[int, int], answer: str = "small", **settings: Any) -> Any:
    settings = {"kernel_shape": size, "strides": size} | settings
    return helper.make_node("AveragePool", ["image"], [answer], **settings)


def rewritten(path: Path, shape: tuple[int, ...], *, tolerance: float = 1e-5) -> list[Any]:
    """Rewrite a graph, check that it answers as it did, and return its nodes."""
    target = path.with_name("target.onnx")
    suit_eight_bits(path, target)
    images = numbers(3, *shape)
    before, after = (
        onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(
            None, {"image": images}
        )
        for file in (path, target)
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance)
    return list(onnx.load(target).graph.node)


def steps(nodes: list[Any]) -> Counter[str]:
    return Counter(node.op_type for node in nodes)


def setting(node: Any, name: str) -> Any:
    return next(helper.get_attribute_value(it) for it in node.attribute if it.name == name)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (5, 5), (7, 4)])
@pytest.mark.parametrize(
    "pads", [None, [1, 1, 2, 2], [2, 2, 2, 2], [0, 0, 1, 1], [3, 0, 1, 2], [0, 1, 5, 0]]
)
def test_a_stem_over_one_channel_becomes_one_over_blocks(
    tmp_path: Path, size: tuple[int, int], pads: list[int] | None
) -> None:
    shape = (1, 12, 16)
    settings: dict[str, Any] = {"strides": [2, 2]} | ({"pads": pads} if pads else {})
    graph = write(
        tmp_path / "g.onnx",
        [convolution(**settings)],
        shape,
        weights=numbers(8, 1, *size),
        shift=numbers(8),
    )
    nodes = rewritten(graph, shape)
    assert steps(nodes) == {"Reshape": 2, "Transpose": 2, "Conv": 1}
    assert setting(nodes[-1], "strides") == [1, 1]


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (2, 3)])
def test_an_average_before_a_convolution_of_single_pixels_becomes_a_part_of_it(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    shape = (4, 13, 12)  # the last row is in no block of two
    nodes = [average(size), convolution("small")]
    graph = write(tmp_path / "g.onnx", nodes, shape, weights=numbers(8, 4, 1, 1), shift=numbers(8))
    [node] = rewritten(graph, shape)
    assert setting(node, "kernel_shape") == list(size)
    assert setting(node, "strides") == list(size)


@pytest.mark.parametrize(
    ("shape", "weights", "settings"),
    [
        ((1, 12, 16), (8, 1, 3, 3), {}),
        ((1, 12, 16), (8, 1, 3, 3), {"strides": [2, 1]}),
        ((1, 13, 16), (8, 1, 3, 3), {"strides": [2, 2]}),
        ((1, 12, 16), (8, 1, 3, 3), {"strides": [2, 2], "dilations": [2, 2]}),
        ((1, 12, 16), (8, 1, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ((2, 12, 16), (8, 1, 3, 3), {"strides": [2, 2], "group": 2}),
        ((2, 12, 16), (8, 2, 3, 3), {"strides": [2, 2]}),
    ],
)
def test_other_convolutions_stay(
    tmp_path: Path, shape: tuple[int, ...], weights: tuple[int, ...], settings: dict[str, Any]
) -> None:
    graph = write(
        tmp_path / "g.onnx",
        [convolution(**settings)],
        shape,
        weights=numbers(*weights),
        shift=numbers(8),
    )
    assert steps(rewritten(graph, shape, tolerance=0)) == {"Conv": 1}


@pytest.mark.parametrize(
    ("pooling", "size", "settings"),
    [
        ({"strides": [1, 1]}, (1, 1), {}),
        ({"pads": [1, 1, 1, 1]}, (1, 1), {}),
        ({"ceil_mode": 1}, (1, 1), {}),
        ({"auto_pad": "SAME_UPPER"}, (1, 1), {}),
        ({}, (3, 3), {}),
        ({}, (1, 1), {"strides": [2, 2]}),
        ({}, (1, 1), {"pads": [1, 1, 1, 1]}),
    ],
)
def test_other_averages_stay(
    tmp_path: Path, pooling: dict[str, Any], size: tuple[int, int], settings: dict[str, Any]
) -> None:
    shape = (4, 13, 12)
    nodes = [average((2, 2), **pooling), convolution("small", **settings)]
    graph = write(tmp_path / "g.onnx", nodes, shape, weights=numbers(8, 4, *size), shift=numbers(8))
    assert steps(rewritten(graph, shape, tolerance=0)) == {"AveragePool": 1, "Conv": 1}


def test_an_average_that_is_wanted_elsewhere_stays(tmp_path: Path) -> None:
    shape = (4, 12, 12)
    nodes = [average((2, 2), "other"), convolution("other")]
    graph = write(
        tmp_path / "g.onnx", nodes, shape, 2, weights=numbers(8, 4, 1, 1), shift=numbers(8)
    )
    assert steps(rewritten(graph, shape, tolerance=0)) == {"AveragePool": 1, "Conv": 1}


def test_weights_of_two_convolutions_may_be_the_same(tmp_path: Path) -> None:
    shape = (1, 12, 12)
    nodes = [
        convolution(strides=[2, 2]),
        helper.make_node("Conv", ["image", "weights"], ["other"]),
    ]
    graph = write(
        tmp_path / "g.onnx", nodes, shape, 2, weights=numbers(8, 1, 3, 3), shift=numbers(8)
    )
    assert steps(rewritten(graph, shape)) == {"Reshape": 2, "Transpose": 2, "Conv": 2}
