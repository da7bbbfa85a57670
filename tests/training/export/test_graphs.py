"""Networks and their graphs give the same scores: closely in 32 bits, nearly in 8."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from service.imaging import InputSpec
from tests.training.small import SMALL_LITE, small_lite
from training.export.graphs import (
    MOST_SIZES,
    export,
    quantise_member,
    scores_of,
    shrink,
    widest,
)
from training.models.lite0 import Lite0
from training.models.port import port_member

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn.t accept:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of a small member of two fits in 32 bits."""
    folder = tmp_path_factory.mktemp("member")
    fits = [small_lite(seed).eval() for seed in range(2)]
    for network in fits:
        for name, parameter in network.named_parameters():
            if name.endswith("norm.weight"):  # or the film would fade from layer to layer
                parameter.data.fill_(3.0)
    file, target = folder / "a.keras", folder / "wide.onnx"
    port_member(fits, 64).save(file)
    export({file: target}, InputSpec(height=64, width=64), channels=[slice(0, 2)])
    return target


@pytest.fixture(scope="module")
def views() -> NDArray[np.float32]:
    return np.random.default_rng(0).random((12, 64, 64, 2), dtype=np.float32)


def in_32_bits(graph: Path) -> set[str]:
    """Names of the convolutions whose weights are no 8-bit integers."""
    nodes = onnx.load(graph).graph.node
    widened = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    return {n.name for n in nodes if n.op_type == "Conv" and n.input[1] not in widened}


def test_the_widest_convolutions_are_those_of_the_largest_maps_and_of_the_evidence(
    wide: Path,
) -> None:
    graph = onnx.shape_inference.infer_shapes(onnx.load(wide)).graph
    shapes = {
        it.name: [d.dim_value for d in it.type.tensor_type.shape.dim] for it in graph.value_info
    }
    maps = {n.name: shapes[n.output[0]][1:] for n in graph.node if n.op_type == "Conv"}
    evidence = {name for name, (channels, *_) in maps.items() if channels == 1}
    assert len(evidence) == 4
    for sizes, least in ((0, 65), (1, 32), (2, 16)):
        large = {name for name, (*_, side) in maps.items() if side >= least}
        assert widest(wide, sizes) == evidence | large


def test_members_keep_32_bits_only_where_8_are_too_few(
    wide: Path, views: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors, exact = [], scores_of(wide, views)
    for bound, sizes in ((1.0, 0), (0.0, MOST_SIZES)):
        monkeypatch.setattr("training.export.graphs.MAX_ERROR", bound)
        small, again = tmp_path / f"{sizes}.onnx", tmp_path / "again.onnx"
        assert quantise_member(wide, views, small) == sizes
        assert in_32_bits(small) == widest(wide, sizes)
        quantise_member(wide, views, again)
        assert again.read_bytes() == small.read_bytes()
        errors.append(np.abs(scores_of(small, views) - exact).mean())
    assert 0 < errors[1] < errors[0] < 0.1


def test_exported_graphs_prepare_the_image_in_no_slow_step(tmp_path: Path) -> None:
    spec = InputSpec(height=64, width=64)
    file, target = tmp_path / "a.keras", tmp_path / "a.onnx"
    port_member([small_lite().eval()], 64).save(file)
    export({file: target}, spec, channels=[slice(0, 2)])
    graph = onnx.shape_inference.infer_shapes(onnx.load(target)).graph
    numbers = {it.name: it for it in graph.initializer if math.prod(it.dims) == 1}
    sides = {it.name: it.type.tensor_type.shape.dim for it in [*graph.input, *graph.value_info]}
    # An image of one channel is walked pixel by pixel if that comes last.
    means = [sides[node.input[0]] for node in graph.node if node.op_type == "ReduceMean"]
    assert means
    assert [64, 64, 1] not in [[side.dim_value for side in it[1:]] for it in means]
    beside = [
        (numbers[name], sides[other])
        for node in graph.node
        if node.op_type in {"Add", "Mul"}
        for name, other in (node.input, reversed(node.input))
        if name in numbers
    ]
    assert beside
    assert all(len(number.dims) == len(others) for number, others in beside)
    assert all(onnx.numpy_helper.to_array(number).item() != 1 for number, _ in beside)


@pytest.mark.parametrize(("deep", "share"), [(1500, 0.65), (4000, 0.45)], ids=["16 bits", "8 bits"])
def test_rounded_weights_take_less_space_and_lose_nothing(
    tmp_path: Path, deep: int, share: float
) -> None:
    spec = InputSpec(height=64, width=64)
    file = tmp_path / "a.keras"
    port_member([Lite0(replace(SMALL_LITE, deep=deep)).eval()], 64).save(file)
    wide, small = tmp_path / "wide.onnx", tmp_path / "small.onnx"
    export({file: wide}, spec, channels=[slice(0, 2)])
    shrink(wide, small)
    images = np.random.default_rng(0).random((3, 64, 64, 2), dtype=np.float32)
    np.testing.assert_array_equal(scores_of(small, images), scores_of(wide, images))
    assert small.stat().st_size < share * wide.stat().st_size
