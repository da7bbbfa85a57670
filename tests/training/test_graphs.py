"""Networks and their graphs give the same scores: closely in 32 bits, nearly in 8."""

from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from service.imaging import InputSpec
from service.inference import open_bundle
from tests.inference.engines.networks import phantom_batch
from tests.tiny_bundle import FILES, write_tiny_bundle
from training.config import Architecture
from training.graphs import both_scores, export, halve, quantise, scores_of
from training.localiser import PREFIX
from training.networks import build_trainable, member_of

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


def test_weights_of_16_bits_take_half_the_space_and_lose_nothing(tmp_path: Path) -> None:
    spec = InputSpec(height=64, width=64)
    shape = Architecture(view="local-contrast", stem_width=16, widths=(32, 64), depths=(1, 1))
    files = [tmp_path / name for name in ("a.keras", "b.keras")]
    for file in files:
        member_of(build_trainable(spec, shape), spec, shape).save(file)
    wide, half = tmp_path / "wide.onnx", tmp_path / "half.onnx"
    export(files, spec, wide)
    halve(wide, half)
    images = np.random.default_rng(0).random((3, 64, 64, 1), dtype=np.float32)
    np.testing.assert_array_equal(scores_of(half, images), scores_of(wide, images))
    assert half.stat().st_size < 0.6 * wide.stat().st_size


def test_what_finds_the_lungs_stays_in_32_bits(tmp_path: Path) -> None:
    spec = InputSpec(height=32, width=32)
    shape = Architecture(view="lung-field", stem_width=8, widths=(8,), depths=(1,))
    file, wide, small = tmp_path / "a.keras", tmp_path / "wide.onnx", tmp_path / "small.onnx"
    member_of(build_trainable(spec, shape), spec, shape).save(file)
    export([file], spec, wide)
    quantise(wide, phantom_batch(8), small)
    quantised: dict[bool, set[bool]] = {True: set(), False: set()}
    for node in onnx.load(small).graph.node:
        if node.op_type == "Conv":
            in_8_bits = any("DequantizeLinear" in name for name in node.input)
            quantised[f"/{PREFIX}" in node.name].add(in_8_bits)
    assert quantised == {True: {False}, False: {True}}
