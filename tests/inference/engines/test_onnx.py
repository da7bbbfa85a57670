"""The compiled graph answers for the very networks it was made from, and for no others."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.imaging import InputSpec
from service.inference import Bundle, BundleError, Compiled, Manifest, MemberEntry, Threshold
from service.inference.engines import load_engine
from service.inference.engines.onnx import INPUT_NAME, OUTPUT_NAME, OnnxEngine

SIDE = 16
GRAPH = "ensemble.onnx"
SOURCES = {"a.keras": "a" * 64, "b.keras": "b" * 64}


def graph(
    side: int = SIDE, outputs: int = 2, name: str = OUTPUT_NAME, external: bool = False
) -> bytes:
    """Two "networks": the sigmoid of the mean grey level, once as it is and once doubled."""
    factors = numpy_helper.from_array(np.arange(1, outputs + 1, dtype=np.float32), "factors")
    if external:
        factors.ClearField("raw_data")
        factors.data_location = TensorProto.EXTERNAL
        factors.external_data.add(key="location", value="/etc/hostname")
    shape = ["N", side, side, 1]
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Transpose", [INPUT_NAME], ["planes"], perm=[0, 3, 1, 2]),
                helper.make_node("GlobalAveragePool", ["planes"], ["means"]),
                helper.make_node("Flatten", ["means"], ["flat"]),
                helper.make_node("Mul", ["flat", "factors"], ["scaled"]),
                helper.make_node("Sigmoid", ["scaled"], [name]),
            ],
            "test",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", outputs])],
            [factors],
        ),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def bundle(data: bytes | None, sources: dict[str, str] | None = None) -> Bundle:
    """A bundle as ``open_bundle`` would give it; None leaves the graph out of the folder."""
    compiled = Compiled(file=GRAPH, sha256="c" * 64, sources=sources or SOURCES)
    manifest = Manifest(
        name="test",
        version="1",
        input=InputSpec(height=SIDE, width=SIDE),
        members=tuple(
            MemberEntry(name=file[0], file=file, sha256=sha256) for file, sha256 in SOURCES.items()
        ),
        combine="mean",
        threshold=Threshold(value=0.5, rule="half"),
        compiled=compiled,
    )
    contents = {} if data is None else {GRAPH: data}
    return Bundle(Path("models"), manifest, "sha256:0", "manifest", contents)


def test_the_engine_gives_each_networks_probability() -> None:
    engine = OnnxEngine(bundle(graph()), threads=1)
    batch = np.random.default_rng(0).uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)
    means = batch.mean(axis=(1, 2, 3))
    expected = 1 / (1 + np.exp(-np.stack([means, 2 * means], axis=1)))
    np.testing.assert_allclose(engine.scores(batch), expected, atol=1e-6)


def test_auto_takes_the_compiled_graph_without_a_warning() -> None:
    loaded = load_engine(bundle(graph()), threads=1)
    assert loaded.engine.name == "onnx"
    assert loaded.warning == ""


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (bundle(graph(), {"a.keras": "a" * 64, "b.keras": "0" * 64}), "made from other networks"),
        (bundle(graph(), {"a.keras": "a" * 64}), "made from other networks"),
        (bundle(None), "lacks its compiled graph ensemble.onnx"),
        (bundle(b"not a graph"), "cannot be loaded"),
        (bundle(graph()[:200]), "cannot be loaded"),
        (bundle(graph(external=True)), "cannot be loaded"),
        (bundle(graph(side=32)), "does not take the bundle's images"),
        (bundle(graph(outputs=3)), "does not take the bundle's images"),
        (bundle(graph(name="other")), "does not take the bundle's images"),
    ],
    ids=[
        "changed-network", "missing-network", "no-graph", "no-onnx", "truncated",
        "external-weights", "other-input", "other-output", "other-name",
    ],
)  # fmt: skip
def test_a_graph_that_does_not_fit_is_refused(made: Bundle, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_engine(made, threads=1, choice="onnx")


def test_a_bundle_without_a_graph_is_refused_when_onnx_is_asked_for() -> None:
    made = bundle(graph())
    manifest = made.manifest.model_copy(update={"compiled": None})
    with pytest.raises(BundleError, match="holds no compiled graph"):
        load_engine(
            Bundle(made.directory, manifest, made.digest, "manifest"), threads=1, choice="onnx"
        )


def test_a_batch_of_another_shape_is_a_bug_of_the_caller() -> None:
    engine = OnnxEngine(bundle(graph()), threads=1)
    with pytest.raises(ValueError, match="float32 batch of shape"):
        engine.scores(np.zeros((1, 8, 8, 1), dtype=np.float32))


def test_the_test_graph_is_valid_onnx() -> None:
    model: Any = onnx.load_model_from_string(graph())
    onnx.checker.check_model(model, full_check=True)
