"""What rounding weights did to the means of convolutions is taken back."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.export.shifts import correct_shifts

Floats = NDArray[np.float32]

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((8, 6, 9, 9), dtype=np.float32)
STEP = 0.1
"""Of the weights: large, so that rounding them shows."""


def write(path: Path, nodes: list[Any], **constants: NDArray[Any]) -> Path:
    """A graph from ``image``, (N, 6, 9, 9), over these nodes to ``answer``."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 6, 9, 9])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None] * 4)
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", [image], [answer], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def answers(path: Path) -> Floats:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    result: Floats = session.run(["answer"], {"image": IMAGES})[0]
    return result


@pytest.mark.parametrize("group", [1, 2, 6])
def test_channels_answer_as_before_on_average(tmp_path: Path, group: int) -> None:
    weights = RANDOM.normal(size=(12, 6 // group, 3, 3)).astype(np.float32)
    bias = RANDOM.normal(size=12).astype(np.float32)
    settings = {"name": "conv", "group": group, "pads": [1, 1, 1, 1], "strides": [2, 2]}
    exact = write(
        tmp_path / "exact.onnx",
        [helper.make_node("Conv", ["image", "weights", "bias"], ["answer"], **settings)],
        weights=weights,
        bias=bias,
    )
    fine = np.full(12, 1e-4, np.float32)
    narrow = write(
        tmp_path / "narrow.onnx",
        [
            helper.make_node("DequantizeLinear", ["steps", "step"], ["weights"], axis=0),
            helper.make_node("DequantizeLinear", ["counts", "fine"], ["bias"], axis=0),
            helper.make_node("Conv", ["image", "weights", "bias"], ["answer"], **settings),
        ],
        steps=np.round(weights / STEP).astype(np.int8),
        step=np.full(12, STEP, np.float32),
        counts=np.round(bias / fine).astype(np.int32),
        fine=fine,
    )
    before = answers(narrow) - answers(exact)
    correct_shifts(exact, narrow, IMAGES)
    after = answers(narrow) - answers(exact)
    assert np.abs(before.mean(axis=(0, 2, 3))).max() > 0.02
    np.testing.assert_allclose(after.mean(axis=(0, 2, 3)), 0, atol=2e-4)
    assert after.std() < before.std()


def test_a_graph_without_8_bit_weights_stays_as_it_is(tmp_path: Path) -> None:
    weights = RANDOM.normal(size=(4, 6, 1, 1)).astype(np.float32)
    node = helper.make_node("Conv", ["image", "weights"], ["answer"], name="conv")
    graph = write(tmp_path / "graph.onnx", [node], weights=weights)
    before = graph.read_bytes()
    correct_shifts(graph, graph, IMAGES)
    assert graph.read_bytes() == before
