"""How far a picture is from the training films: from the file in the bundle to a distance."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.inference import (
    MANIFEST_FILE,
    BundleError,
    Ensemble,
    Novelty,
    Precision,
    file_sha256,
    load_ensemble,
    load_segmenter,
    make_lungs_golden,
    open_bundle,
)
from service.inference.novelty import read_novelty
from tests.fake_engine import FakeEngine, fake_bundle
from tests.tiny_bundle import LUNGS_FILE, LUNGS_SIDE, save_network, write_tiny_bundle

FILE = "suitability.npz"
LIMITS = {
    "file": FILE,
    "warn_distance": 20.0,
    "refuse_distance": 30.0,
    "warn_quality": 0.8,
    "refuse_quality": 0.6,
}


def novelty(count: int = 2) -> Novelty:
    return Novelty(np.full(count, 0.25, np.float32), 2 * np.eye(count, dtype=np.float32))


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


class Mirror:
    """Gives each picture back as its lungs, and as features its mean and its upper half's mean."""

    name = "mirror"
    precision: Precision = "fp32"
    features = True

    def probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return batch[..., 0]

    def look(
        self, batch: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        upper = batch[:, : batch.shape[1] // 2]
        means = np.stack([part.mean(axis=(1, 2, 3)) for part in (batch, upper)], axis=1)
        return self.probabilities(batch), means if self.features else None


def test_the_distance_is_that_of_mahalanobis() -> None:
    generator = np.random.default_rng(1)
    points = generator.normal(size=(500, 3)) @ generator.normal(size=(3, 3)) + [1, -2, 3]
    covariance = np.cov(points.T)
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)).astype(np.float32)
    fitted = Novelty(points.mean(axis=0).astype(np.float32), whitening)
    off = points[:5] - points.mean(axis=0)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", off, np.linalg.inv(covariance), off))
    np.testing.assert_allclose(fitted.distances(points[:5].astype(np.float32)), expected, rtol=1e-3)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    novelty(3).write(tmp_path / FILE)
    again = read_novelty((tmp_path / FILE).read_bytes(), file=FILE)
    assert np.array_equal(again.mean, novelty(3).mean)
    assert np.array_equal(again.whitening, novelty(3).whitening)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 and no more",
        archive(mean=np.zeros(2, np.float32)),
        archive(mean=np.array([{}], dtype=object), whitening=np.eye(1, dtype=np.float32)),
    ],
)
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=f"{FILE} is not the archive"):
        read_novelty(data, file=FILE)


@pytest.mark.parametrize(
    ("mean", "whitening"),
    [
        (np.zeros(2, np.float32), np.eye(3, dtype=np.float32)),
        (np.zeros(2), np.eye(2)),
        (np.zeros(0, np.float32), np.zeros((0, 0), np.float32)),
        (np.full(2, np.nan, np.float32), np.eye(2, dtype=np.float32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(mean: Any, whitening: Any) -> None:
    with pytest.raises(BundleError, match="do not describe features"):
        read_novelty(archive(mean=mean, whitening=whitening), file=FILE)


class TestEnsemble:
    def test_gives_maps_and_distances(self) -> None:
        ensemble = Ensemble(fake_bundle(), FakeEngine(), segmenter=Mirror(), novelty=novelty())
        batch = np.full((2, 8, 8, 1), 0.25, np.float32)
        batch[1] += 0.5
        near, far = ensemble.look(batch)
        assert near.distance == pytest.approx(0, abs=1e-6)
        assert far.distance == pytest.approx(2 * 0.5 * 2**0.5)
        assert np.array_equal(far.probabilities, batch[1, ..., 0])

    @pytest.mark.parametrize("described", [True, False])
    def test_needs_features_and_their_description(self, *, described: bool) -> None:
        mirror = Mirror()
        mirror.features = not described
        known = novelty() if described else None
        ensemble = Ensemble(fake_bundle(), FakeEngine(), segmenter=mirror, novelty=known)
        [seen] = ensemble.look(np.zeros((1, 8, 8, 1), np.float32))
        assert seen.distance is None

    def test_refuses_features_that_are_not_described(self) -> None:
        ensemble = Ensemble(fake_bundle(), FakeEngine(), segmenter=Mirror(), novelty=novelty(3))
        with pytest.raises(BundleError, match="features of another number"):
            ensemble.look(np.zeros((1, 8, 8, 1), np.float32))


def change(models: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = models / MANIFEST_FILE
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def looking(side: int) -> Any:
    """A network with the outputs of ``Mirror``."""
    import keras  # noqa: PLC0415

    layers = keras.layers
    image = keras.Input((side, side, 1))
    upper = layers.Cropping2D(((0, side // 2), (0, 0)))(image)
    pooled = [layers.GlobalAveragePooling2D()(part) for part in (image, upper)]
    lungs = layers.Rescaling(1.0, name="lung")(image)
    return keras.Model(image, [lungs, layers.Concatenate(name="features")(pooled)])


def graph(path: Path) -> None:
    """The same as a compiled graph."""
    from onnx import TensorProto, helper, save  # noqa: PLC0415

    picture = ["N", LUNGS_SIDE, LUNGS_SIDE, 1]
    slots = [(name, [value]) for name, value in (("from", 0), ("to", LUNGS_SIDE // 2), ("axis", 1))]
    constants = [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in slots]
    nodes = [
        helper.make_node("Identity", ["radiograph"], ["lungs"]),
        helper.make_node("Slice", ["radiograph", "from", "to", "axis"], ["upper"]),
        helper.make_node("ReduceMean", ["radiograph"], ["whole_mean"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["upper"], ["upper_mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Concat", ["whole_mean", "upper_mean"], ["features"], axis=1),
    ]
    outputs = [
        helper.make_tensor_value_info("lungs", TensorProto.FLOAT, picture),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 2]),
    ]
    inputs = [helper.make_tensor_value_info("radiograph", TensorProto.FLOAT, picture)]
    built = helper.make_graph(nodes, "lungs", inputs, outputs, constants)
    opset = [helper.make_opsetid("", 13)]
    save(helper.make_model(built, opset_imports=opset, ir_version=8), path)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose lungs network gives features, and that says how they are distributed."""
    folder = write_tiny_bundle(
        tmp_path_factory.mktemp("novelty"), pooled=True, views=("lung_field", "lungs_only")
    )
    save_network(looking(LUNGS_SIDE), folder / LUNGS_FILE)
    novelty().write(folder / FILE)

    def sign(content: dict[str, Any]) -> None:
        content["lungs"].update(sha256=file_sha256(folder / LUNGS_FILE), golden=[])
        content["suitability"] = LIMITS | {"sha256": file_sha256(folder / FILE)}

    change(folder, sign)
    lungs = load_segmenter(open_bundle(folder), threads=1)
    assert lungs is not None
    golden = make_lungs_golden(lungs.segmenter, LUNGS_SIDE)
    change(
        folder,
        lambda content: content["lungs"].update(golden=[each.model_dump() for each in golden]),
    )
    return folder


@pytest.mark.tensorflow
@pytest.mark.parametrize("compiled", [False, True])
def test_a_bundle_measures_distances(models: Path, *, compiled: bool) -> None:
    if compiled:
        graph(models / "lungs.onnx")
        entry = {
            "file": "lungs.onnx",
            "sha256": file_sha256(models / "lungs.onnx"),
            "sources": {LUNGS_FILE: file_sha256(models / LUNGS_FILE)},
        }
        change(models, lambda content: content["lungs"].update(compiled=entry))
    lungs = load_segmenter(open_bundle(models), threads=1)
    assert lungs is not None
    assert lungs.segmenter.name == ("onnx" if compiled else "tensorflow")
    batch = np.random.default_rng(2).uniform(size=(3, LUNGS_SIDE, LUNGS_SIDE, 1)).astype(np.float32)
    found = load_ensemble(models, threads=1).look(batch)
    _, features = Mirror().look(batch)
    assert features is not None
    expected = novelty().distances(features)
    assert [seen.distance for seen in found] == pytest.approx(expected.tolist(), rel=1e-4)
    np.testing.assert_allclose([seen.probabilities for seen in found], batch[..., 0], atol=1e-6)


def test_a_changed_description_is_refused(models: Path) -> None:
    before = (models / FILE).read_bytes()
    try:
        novelty(3).write(models / FILE)
        with pytest.raises(BundleError, match=f"{FILE} is not the one that the manifest describes"):
            open_bundle(models)
    finally:
        (models / FILE).write_bytes(before)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (
            lambda m: m["suitability"].update(warn_distance=31),
            "suitability refuses pictures of which it would not warn",
        ),
        (
            lambda m: m["suitability"].update(warn_quality=0.5),
            "suitability refuses pictures of which it would not warn",
        ),
        (lambda m: m["suitability"].update(file=LUNGS_FILE), "names one file for two"),
        (
            lambda m: m.update(
                indeterminate={"lower": 0.6, "upper": 0.7, "error": 0.05, "coverage": 1}
            ),
            "has a threshold outside of the probabilities that are indeterminate",
        ),
        (
            lambda m: m.update(
                indeterminate={"lower": 0.7, "upper": 0.3, "error": 0.05, "coverage": 1}
            ),
            "indeterminate has a lower bound above the upper one",
        ),
    ],
)
def test_what_contradicts_itself_is_named(
    models: Path, edit: Callable[[dict[str, Any]], object], reason: str
) -> None:
    before = (models / MANIFEST_FILE).read_bytes()
    try:
        change(models, edit)
        with pytest.raises(BundleError) as caught:
            open_bundle(models)
        assert reason in caught.value.message
    finally:
        (models / MANIFEST_FILE).write_bytes(before)
