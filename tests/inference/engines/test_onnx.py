"""Compiled graphs answer for the very networks they were made from, and for no others."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.imaging import InputSpec
from service.inference import (
    Agreement,
    Bundle,
    BundleError,
    Compiled,
    EngineChoice,
    Manifest,
    MemberEntry,
    NotExplainableError,
    PrecisionChoice,
    Quantised,
    Threshold,
    engines,
)
from service.inference.engines import load_engine
from service.inference.engines.onnx import INPUT_NAME, MAPS_NAME, OUTPUT_NAME, OnnxEngine
from service.inference.entries import Graph

SIDE = 16
GRAPH = "ensemble.onnx"
INT8_GRAPH = "ensemble.int8.onnx"
SECOND_GRAPH = "second.onnx"
SOURCES = {"a.keras": "a" * 64, "b.keras": "b" * 64}


def graph(
    side: int = SIDE,
    outputs: int = 2,
    name: str = OUTPUT_NAME,
    external: bool = False,
    maps: int = 0,
    first: int = 1,
    cells: int = 1,
) -> bytes:
    """Two "networks": the sigmoid of the mean grey level, once as it is and once doubled.

    With ``maps``, so many maps of one cell each, or as many rows as ``cells``: the logits.
    """
    factors = numpy_helper.from_array(
        np.arange(first, outputs + first, dtype=np.float32), "factors"
    )
    corner = numpy_helper.from_array(np.array([-1, maps or outputs, cells, 1]), "corner")
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
                helper.make_node("Concat", ["scaled"] * cells, ["spread"], axis=1),
                helper.make_node("Reshape", ["spread", "corner"], [MAPS_NAME]),
            ],
            "test",
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", outputs]),
                helper.make_tensor_value_info(MAPS_NAME, TensorProto.FLOAT, ["N", maps, cells, 1]),
            ][: 2 if maps else 1],
            [factors, corner],
        ),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def bundle(
    data: bytes | None,
    sources: dict[str, str] | None = None,
    small: bytes | None = None,
    second: bytes | None = None,
) -> Bundle:
    """A bundle as ``open_bundle`` would give it; None leaves the graph out of the folder.

    Args:
        data: The graph.
        sources: What it was made from.
        small: Another graph that passes for the same in 8 bits.
        second: The graph of the networks that follow those of the first.
    """
    int8 = Quantised(
        file=INT8_GRAPH,
        sha256="d" * 64,
        agreement=Agreement(images=600, largest_difference=0.1, verdicts_changed=0),
        golden=(),
    )
    compiled = Compiled(
        file=GRAPH,
        sha256="c" * 64,
        further=(Graph(file=SECOND_GRAPH, sha256="e" * 64),) if second else (),
        sources=sources or SOURCES,
        int8=int8 if small else None,
    )
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
    graphs = {GRAPH: data, INT8_GRAPH: small, SECOND_GRAPH: second}
    contents = {file: graph for file, graph in graphs.items() if graph is not None}
    return Bundle(Path("models"), manifest, "sha256:0", "manifest", contents)


without_second = bundle(graph(outputs=1), second=graph(outputs=1, first=2))
without_second = dataclasses.replace(
    without_second, contents={GRAPH: without_second.contents[GRAPH]}
)


def test_the_engine_gives_each_networks_probability() -> None:
    engine = OnnxEngine(bundle(graph()))
    batch = np.random.default_rng(0).uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)
    means = batch.mean(axis=(1, 2, 3))
    expected = 1 / (1 + np.exp(-np.stack([means, 2 * means], axis=1)))
    np.testing.assert_allclose(engine.scores(batch), expected, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_graphs_of_one_network_each_answer_as_one_of_both(threads: int) -> None:
    both = OnnxEngine(bundle(graph(maps=2)))
    each = graph(outputs=1, maps=1), graph(outputs=1, maps=1, first=2)
    apart = OnnxEngine(bundle(each[0], second=each[1]), threads=threads)
    batch = np.random.default_rng(0).uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)
    np.testing.assert_array_equal(apart.scores(batch), both.scores(batch))
    for ours, theirs in zip(apart.explain(batch), both.explain(batch), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("second", [graph(outputs=1), graph(outputs=1, maps=1, cells=2)])
def test_maps_that_do_not_fit_together_explain_nothing(second: bytes) -> None:
    made = bundle(graph(outputs=1, maps=1), second=second)
    with pytest.raises(NotExplainableError):
        OnnxEngine(made).explain(np.zeros((1, SIDE, SIDE, 1), dtype=np.float32))


@pytest.mark.parametrize("threads", [1, 4])
def test_eight_callers_at_once_get_the_answers_of_one(threads: int) -> None:
    made = bundle(graph(outputs=1), second=graph(outputs=1, first=2))
    engine = OnnxEngine(made, threads=threads)
    images = np.random.default_rng(1).uniform(size=(200, SIDE, SIDE, 1)).astype(np.float32)
    serial = [engine.scores(image[None]) for image in images]
    with ThreadPoolExecutor(max_workers=8) as pool:
        parallel = list(pool.map(lambda image: engine.scores(image[None]), images))
    np.testing.assert_array_equal(parallel, serial)


def test_the_engine_gives_maps_where_the_graph_has_them() -> None:
    engine = OnnxEngine(bundle(graph(maps=2)))
    batch = np.random.default_rng(0).uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)
    scores, maps = engine.explain(batch)
    assert maps.shape == (3, 2, 1, 1)
    np.testing.assert_array_equal(scores, engine.scores(batch))
    np.testing.assert_allclose(1 / (1 + np.exp(-maps[..., 0, 0])), scores, atol=1e-6)


def test_a_graph_without_maps_explains_nothing() -> None:
    engine = OnnxEngine(bundle(graph()))
    with pytest.raises(NotExplainableError):
        engine.explain(np.zeros((1, SIDE, SIDE, 1), dtype=np.float32))


@pytest.mark.parametrize(
    ("asked", "vnni", "taken"),
    [
        ("auto", True, "int8"),
        ("auto", False, "fp32"),
        ("int8", False, "int8"),
        ("fp32", True, "fp32"),
    ],
)
def test_the_graph_in_8_bits_is_taken_when_asked_for_or_faster(
    monkeypatch: pytest.MonkeyPatch, asked: PrecisionChoice, vnni: bool, taken: str
) -> None:
    monkeypatch.setattr(engines, "favours_int8", lambda: vnni)
    made = bundle(graph(), small=graph(first=3))
    engine = load_engine(made, threads=1, precision=asked).engine
    assert (engine.name, engine.precision) == ("onnx", taken)
    batch = np.full((1, SIDE, SIDE, 1), 0.1, dtype=np.float32)
    factor = 3 if taken == "int8" else 1
    assert engine.scores(batch)[0, 0] == pytest.approx(1 / (1 + np.exp(-0.1 * factor)))


def test_auto_takes_32_bits_where_there_is_no_graph_in_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "favours_int8", lambda: True)
    assert load_engine(bundle(graph()), threads=1).engine.precision == "fp32"


@pytest.mark.parametrize(
    ("made", "choice", "message"),
    [
        (bundle(graph()), "auto", "holds no 8-bit graph"),
        (bundle(graph(), {"a.keras": "0" * 64}, graph()), "onnx", "made from other networks"),
        (bundle(graph(), {"a.keras": "0" * 64}, graph()), "auto", "made from other networks"),
        (bundle(graph(), small=graph()), "tensorflow", "TensorFlow cannot compute in 8 bits"),
    ],
    ids=["no-graph", "changed-network", "changed-network-auto", "other-engine"],
)
def test_8_bits_that_cannot_be_had_are_refused(
    made: Bundle, choice: EngineChoice, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        load_engine(made, threads=1, choice=choice, precision="int8")


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
        (bundle(graph(outputs=3)), "give 3 probabilities where it has 2 networks"),
        (bundle(graph(name="other")), "does not take the bundle's images"),
        (bundle(graph(maps=3)), "does not take the bundle's images"),
        (bundle(graph(), second=graph()), "give 4 probabilities where it has 2 networks"),
        (bundle(graph(outputs=1), second=b"not a graph"), "graph second.onnx cannot be loaded"),
        (without_second, "lacks its compiled graph second.onnx"),
    ],
    ids=[
        "changed-network", "missing-network", "no-graph", "no-onnx", "truncated",
        "external-weights", "other-input", "other-output", "other-name", "other-maps",
        "too-many-networks", "second-no-onnx", "no-second-graph",
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
    engine = OnnxEngine(bundle(graph()))
    with pytest.raises(ValueError, match="float32 batch of shape"):
        engine.scores(np.zeros((1, 8, 8, 1), dtype=np.float32))


def test_the_test_graph_is_valid_onnx() -> None:
    model: Any = onnx.load_model_from_string(graph())
    onnx.checker.check_model(model, full_check=True)
