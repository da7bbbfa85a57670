"""Rewritten graphs compute what they did, and the slow steps are gone."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.export.streamline import streamline

Floats = NDArray[np.float32]

IMAGES = np.random.default_rng(0).random((3, 24, 24, 1), dtype=np.float32)


def write(
    path: Path, nodes: list[Any], *, sides: int = 4, opset: int = 15, **constants: Any
) -> Path:
    """A graph from ``image``, (N, 24, 24, 1), over these nodes to ``answer``."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 24, 24, 1])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None] * sides)
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "graph", [image], [answer], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def answers(path: Path) -> Floats:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    result: Floats = session.run(["answer"], {"image": IMAGES})[0]
    return result


def steps(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def shapes(path: Path) -> set[tuple[int, ...]]:
    return {tuple(tensor.dims) for tensor in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("operation", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
def test_a_number_beside_an_image_gets_its_dimensions_and_changes_nothing(
    tmp_path: Path, operation: str, first: bool, shape: tuple[int, ...]
) -> None:
    inputs = ["number", "image"] if first else ["image", "number"]
    nodes = [helper.make_node(operation, inputs, ["answer"])]
    graph = write(tmp_path / "g.onnx", nodes, number=np.full(shape, 0.3, np.float32))
    before = answers(graph)
    streamline(graph)
    assert shapes(graph) == {(1, 1, 1, 1)}
    np.testing.assert_array_equal(answers(graph), before)


def test_a_multiplication_by_one_goes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["image", "one"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["answer"]),
    ]
    one, shift = np.array(1, np.float32), np.array([[[[-0.5]]]], np.float32)
    graph = write(tmp_path / "g.onnx", nodes, one=one, shift=shift)
    before = answers(graph)
    streamline(graph)
    assert steps(graph) == {"Add": 1}
    np.testing.assert_array_equal(answers(graph), before)


def test_a_multiplication_by_one_that_gives_an_answer_or_a_shape_stays(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["image", "one"], ["answer"])]
    graph = write(tmp_path / "a.onnx", nodes, one=np.array(1, np.float32))
    streamline(graph)
    assert steps(graph) == {"Mul": 1}

    nodes = [
        helper.make_node("Mul", ["image", "one"], ["deeper"]),
        helper.make_node("Relu", ["deeper"], ["answer"]),
    ]
    graph = write(tmp_path / "b.onnx", nodes, sides=5, one=np.ones((1,) * 5, np.float32))
    streamline(graph)
    assert answers(graph).shape == (1, 3, 24, 24, 1)


def test_a_vector_beside_an_image_stays(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["image", "vector"], ["answer"])]
    graph = write(tmp_path / "g.onnx", nodes, vector=np.arange(3, dtype=np.float32))
    streamline(graph)
    assert shapes(graph) == {(3,)}


@pytest.mark.parametrize("axes", [[1, 2, 3], [1, 2], [-3, -2], [1, 2, -1]])
def test_a_mean_over_an_image_is_taken_over_one_row(tmp_path: Path, axes: list[int]) -> None:
    nodes = [helper.make_node("ReduceMean", ["image"], ["answer"], axes=axes, keepdims=1)]
    graph = write(tmp_path / "g.onnx", nodes)
    before = answers(graph)
    streamline(graph)
    assert steps(graph) == {"Reshape": 2, "ReduceMean": 1}
    assert answers(graph).shape == before.shape == (3, 1, 1, 1)
    np.testing.assert_allclose(answers(graph), before, rtol=1e-6)


@pytest.mark.parametrize(
    ("axes", "keepdims", "sides"), [([1], 1, 4), ([0, 1, 2, 3], 1, 4), ([1, 2, 3], 0, 1)]
)
def test_a_mean_over_something_else_stays(
    tmp_path: Path, axes: list[int], keepdims: int, sides: int
) -> None:
    node = helper.make_node("ReduceMean", ["image"], ["answer"], axes=axes, keepdims=keepdims)
    graph = write(tmp_path / "g.onnx", [node], sides=sides)
    before = answers(graph)
    streamline(graph)
    assert steps(graph) == {"ReduceMean": 1}
    np.testing.assert_array_equal(answers(graph), before)


def test_a_mean_whose_axes_are_an_input_stays(tmp_path: Path) -> None:
    node = helper.make_node("ReduceMean", ["image", "axes"], ["answer"])
    graph = write(tmp_path / "g.onnx", [node], opset=18, axes=np.array([1, 2, 3]))
    before = answers(graph)
    streamline(graph)
    np.testing.assert_array_equal(answers(graph), before)


def picking(**settings: Any) -> list[Any]:
    """A convolution over the rows of the image as if they were channels."""
    return [helper.make_node("Conv", ["image", "weights"], ["answer"], **settings)]


def test_a_convolution_that_picks_a_channel_becomes_a_slice(tmp_path: Path) -> None:
    weights = np.zeros((1, 24, 1, 1), np.float32)
    weights[0, 3] = 1
    graph = write(tmp_path / "g.onnx", picking(), weights=weights)
    before = answers(graph)
    streamline(graph)
    assert steps(graph) == {"Slice": 1}
    np.testing.assert_array_equal(answers(graph), before)
    np.testing.assert_array_equal(answers(graph)[:, 0], IMAGES[:, 3])


@pytest.mark.parametrize(
    ("picked", "settings"),
    [
        ({3: 2.0}, {}),
        ({3: 1.0, 4: 1.0}, {}),
        ({3: 1.0}, {"strides": [2, 1]}),
        ({3: 1.0}, {"pads": [1, 0, 0, 0]}),
    ],
)
def test_a_convolution_that_does_more_than_pick_stays(
    tmp_path: Path, picked: dict[int, float], settings: dict[str, Any]
) -> None:
    weights = np.zeros((1, 24, 1, 1), np.float32)
    weights[0, list(picked), 0, 0] = list(picked.values())
    graph = write(tmp_path / "g.onnx", picking(**settings), weights=weights)
    streamline(graph)
    assert steps(graph) == {"Conv": 1}


def test_a_convolution_that_picks_a_channel_and_shifts_it_becomes_a_slice_and_an_addition(
    tmp_path: Path,
) -> None:
    node = helper.make_node("Conv", ["image", "weights", "shift"], ["answer"])
    weights = np.eye(24, dtype=np.float32)[3].reshape(1, 24, 1, 1)
    graph = write(tmp_path / "g.onnx", [node], weights=weights, shift=np.full(1, -0.5, np.float32))
    before = answers(graph)
    streamline(graph)
    assert steps(graph) == {"Slice": 1, "Add": 1}
    np.testing.assert_array_equal(answers(graph), before)
