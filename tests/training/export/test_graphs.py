"""Networks and their graphs give the same scores: closely in 32 bits, nearly in 8."""

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from service.imaging import InputSpec
from service.inference import open_bundle
from tests.inference.engines.networks import phantom_batch
from tests.tiny_bundle import FILES, write_tiny_bundle
from tests.training.small import SMALL_LITE, small_lite
from training.export.graphs import both_scores, export, halve, scores_of
from training.models.lite0 import Lite0
from training.models.port import port_member

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn.t accept:DeprecationWarning"),
]


def test_members_are_scored_in_both_precisions(tmp_path: Path) -> None:
    directory = write_tiny_bundle(tmp_path, pooled=True)
    files = [directory / file for file in FILES]
    spec = open_bundle(directory).manifest.input
    images = phantom_batch(20, first=40)

    wide, narrow = both_scores(files, spec, phantom_batch(40), images)

    networks = [keras.saving.load_model(file, compile=False) for file in files]
    expected = np.concatenate([np.asarray(network(images)) for network in networks], axis=1)
    np.testing.assert_allclose(wide, expected, atol=1e-4)
    assert 0 < np.abs(narrow - wide).mean() < 0.05


def test_exported_graphs_prepare_the_image_in_no_slow_step(tmp_path: Path) -> None:
    spec = InputSpec(height=64, width=64)
    file, target = tmp_path / "a.keras", tmp_path / "a.onnx"
    port_member(small_lite().eval(), 64).save(file)
    export([file], spec, target, channels=[slice(0, 2)])
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


def test_weights_of_16_bits_take_half_the_space_and_lose_nothing(tmp_path: Path) -> None:
    spec = InputSpec(height=64, width=64)
    files = [tmp_path / name for name in ("a.keras", "b.keras")]
    for file in files:
        port_member(Lite0(replace(SMALL_LITE, deep=4000)).eval(), 64).save(file)
    wide, half = tmp_path / "wide.onnx", tmp_path / "half.onnx"
    export(files, spec, wide, channels=[slice(0, 2)] * 2)
    halve(wide, half)
    images = np.random.default_rng(0).random((3, 64, 64, 2), dtype=np.float32)
    np.testing.assert_array_equal(scores_of(half, images), scores_of(wide, images))
    assert half.stat().st_size < 0.6 * wide.stat().st_size
