"""Bundles that see the lungs compile: each member its own view, and the lungs' network too."""

from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from service.imaging import InputSpec
from service.inference import load_ensemble, open_bundle
from service.inference.engines.fused import fuse
from service.inference.manifest import ViewName
from tests.inference.engines.networks import phantom_batch
from tests.phantom import phantom
from tests.tiny_bundle import LUNGS_SIDE, save_network, write_tiny_bundle
from tests.training.export.efficient import efficient_lite, unet
from training.data import Record, scan
from training.export import compile as module
from training.export.compile import compile_bundle
from training.export.graphs import export, export_lungs, quantise, quantise_lungs
from training.export.lungs import LUNGS_GRAPH, LUNGS_INT8

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn.t accept:DeprecationWarning"),
]

VIEWS: tuple[ViewName, ...] = ("lung_field", "lungs_only")
SIDE = 64


def run(graph: Path, names: list[str], batch: NDArray[np.float32]) -> list[Any]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(names, {"radiograph": batch})
    return found


def operators(graph: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(graph).graph.node)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("members")
    files = [folder / "first.keras", folder / "second.keras"]
    for seed, file in enumerate(files):
        save_network(efficient_lite(SIDE, seed=seed, width=0.25), file)
    return files


@pytest.fixture(scope="module")
def batch() -> NDArray[np.float32]:
    planes = np.random.default_rng(0).uniform(size=(6, SIDE, SIDE, 2))
    return planes.astype(np.float32)


@pytest.fixture(scope="module")
def wide(members: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The members' graphs in 32 bits."""
    folder = tmp_path_factory.mktemp("graphs")
    graphs = [folder / f"{file.stem}.onnx" for file in members]
    spec = InputSpec(height=SIDE, width=SIDE)
    export(dict(zip(members, graphs, strict=True)), spec, channels=[slice(0, 1), slice(1, 2)])
    return graphs


def test_members_of_two_views_answer_as_keras_does(
    members: list[Path], wide: list[Path], batch: NDArray[np.float32]
) -> None:
    answers = []
    for place, (file, graph) in enumerate(zip(members, wide, strict=True)):
        scores, maps = run(graph, ["probabilities", "activation_maps"], batch)
        network = keras.saving.load_model(file, compile=False)
        alone = np.asarray(network(batch[..., place : place + 1]))
        np.testing.assert_allclose(scores, alone, atol=1e-4)
        logits = np.log(scores / (1 - scores))
        np.testing.assert_allclose(maps.sum(axis=(2, 3)), logits, atol=1e-4)
        answers.append(scores)
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_maps_have_the_finer_of_two_scales(wide: list[Path], batch: NDArray[np.float32]) -> None:
    for graph in wide:
        [maps] = run(graph, ["activation_maps"], batch)
        assert maps.shape == (6, 1, SIDE // 16, SIDE // 16)
        assert maps.std(axis=(2, 3)).min() > 0


def test_at_192_pixels_maps_have_12_cells_a_side() -> None:
    fused = fuse([efficient_lite(192, width=0.1)], InputSpec(height=192, width=192))
    assert fused.without_maps == ""
    assert fused.model.outputs[1].shape == (None, 1, 12, 12)


def test_depthwise_convolutions_and_relu6_are_in_8_bits(
    wide: list[Path], batch: NDArray[np.float32], tmp_path: Path
) -> None:
    small = tmp_path / "small.onnx"
    quantise(wide[0], batch, small)
    graph = onnx.load(small).graph
    makers = {name: node for node in graph.node for name in node.output}
    kinds: Counter[tuple[bool, bool]] = Counter()
    for node in graph.node:
        if node.op_type == "Conv":
            sources = {makers[name].op_type for name in node.input[:2] if name in makers}
            group = next(it.i for it in node.attribute if it.name == "group")
            kinds[group > 1, sources == {"DequantizeLinear"}] += 1
    assert kinds[True, True] == 16  # one for each block
    assert kinds[True, False] == 0
    assert kinds[False, True] > 30
    scales = [it for it in graph.initializer if it.name.endswith("_scale") and it.dims]
    assert any(it.dims[0] > 1 for it in scales)  # a scale for each channel
    # Weights are random and so are the images: 8 bits cost far more here than in real networks.
    fresh = np.random.default_rng(1).uniform(size=(40, SIDE, SIDE, 2)).astype(np.float32)
    [ours], [theirs] = (run(path, ["probabilities"], fresh) for path in (wide[0], small))
    logits = [np.log(scores / (1 - scores)).ravel() for scores in (ours, theirs)]
    assert np.corrcoef(*logits)[0, 1] > 0.8


def test_a_segmentation_network_answers_alike_in_both_precisions(tmp_path: Path) -> None:
    network = unet(SIDE)
    file, wide, small = (tmp_path / name for name in ("lungs.keras", "wide.onnx", "small.onnx"))
    save_network(network, file)
    drawn = [np.asarray(phantom(seed, (SIDE, SIDE)), np.float32) for seed in range(8)]
    images = np.stack(drawn)[..., np.newaxis] / np.float32(255)
    export_lungs(file, SIDE, wide)
    quantise_lungs(wide, images, small)
    expected = np.asarray(network(images))
    [ours], [theirs] = (run(path, ["lungs"], images) for path in (wide, small))
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert 0 < np.abs(theirs - expected).mean() < 0.02
    assert operators(small)["QuantizeLinear"] > operators(small)["Conv"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, ...]:
    """Clear and slightly cloudy phantoms, whose lungs are found."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("NORMAL", "PNEUMONIA"):
        (folder / name).mkdir()
    for number in range(24):
        cloudy = number % 2
        seed = (1, 2, 3, 4, 5, 7, 8, 10)[number % 8] + 100 * (number // 8)
        path = (
            folder / f"PNEUMONIA/person{number}_virus_{number}.jpeg"
            if cloudy
            else folder / f"NORMAL/IM-{number:04d}-0001.jpeg"
        )
        phantom(seed, (160, 128), 0.2 * cloudy).save(path, quality=90)
    return scan(folder).records


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, records: tuple[Record, ...]) -> Path:
    directory = write_tiny_bundle(tmp_path_factory.mktemp("models"), pooled=True, views=VIEWS)
    limits = {
        "MIN_IMAGES": 16,
        "GATE_IMAGES": 12,
        "INT8_MIN_IMAGES": 8,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(module, name, value)
        # Networks this tiny lose more in 8 bits than real ones.
        patch.setattr("training.export.agreement.INT8_MAX_CHANGED", 0.3)
        patch.setattr("training.export.agreement.INT8_MAX_AUC_LOSS", 0.3)
        patch.setattr("training.export.lungs.INT8_MIN_DICE", 0.9)
        patch.setattr("training.export.lungs.INT8_MAX_CHANGED", 0.3)
        outcome = compile_bundle(directory, records)
    assert outcome.lungs is not None
    assert outcome.lungs.agreement.largest_difference <= 1e-4
    assert outcome.lungs.agreement.verdicts_changed == 0
    return directory


def test_a_bundle_of_lungs_is_served_by_its_graphs(compiled: Path) -> None:
    manifest = open_bundle(compiled).manifest
    assert manifest.lungs is not None
    assert manifest.lungs.compiled is not None
    assert manifest.lungs.compiled.file == LUNGS_GRAPH
    ours = load_ensemble(compiled, threads=1, precision="fp32")
    theirs = load_ensemble(compiled, threads=1, engine="tensorflow")
    assert (ours.engine_name, ours.warning) == ("onnx", "")
    frames = np.stack([phantom_batch(1, first=seed)[0] for seed in range(4)])
    two = np.concatenate([frames, frames[:, ::-1]], axis=-1)
    for one, other in zip(ours.explain(two), theirs.explain(two), strict=True):
        assert one.score.probability == pytest.approx(other.score.probability, abs=1e-4)
        np.testing.assert_allclose(one.maps, other.maps, atol=1e-4)
    images = np.random.default_rng(3).uniform(size=(2, LUNGS_SIDE, LUNGS_SIDE, 1)).astype("f4")
    np.testing.assert_allclose(ours.segment(images), theirs.segment(images), atol=1e-4)


def test_the_lungs_graph_in_8_bits_has_its_own_golden_answers(compiled: Path) -> None:
    lungs = open_bundle(compiled).manifest.lungs
    assert lungs is not None
    assert lungs.compiled is not None
    assert lungs.compiled.int8 is not None
    assert lungs.compiled.int8.file == LUNGS_INT8
    assert lungs.compiled.int8.agreement.dice is not None
    assert [len(golden.probabilities) for golden in lungs.compiled.int8.golden] == [4, 4, 4]
    assert load_ensemble(compiled, threads=1, precision="int8").precision == "int8"


def test_lungs_that_8_bits_lose_leave_the_32_bit_graph(
    tmp_path: Path, records: tuple[Record, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_tiny_bundle(tmp_path / "models", views=VIEWS)
    for name, value in {"MIN_IMAGES": 16, "GATE_IMAGES": 12, "INT8_MIN_IMAGES": 8}.items():
        monkeypatch.setattr(module, name, value)

    def blind(_: Path, __: object, target: Path) -> None:
        """Find no lungs anywhere."""
        file = tmp_path / "other.keras"
        save_network(unet(LUNGS_SIDE, seed=1), file)
        export_lungs(file, LUNGS_SIDE, target)

    monkeypatch.setattr("training.export.lungs.quantise_lungs", blind)
    outcome = compile_bundle(directory, records)
    assert outcome.lungs is not None
    assert outcome.lungs.int8 is None
    assert "agree with a Dice coefficient of" in outcome.lungs.refusal
    assert (directory / LUNGS_GRAPH).exists()
    assert not (directory / LUNGS_INT8).exists()
    assert load_ensemble(directory, threads=1).bundle.manifest.lungs is not None
