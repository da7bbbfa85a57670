"""A bundle whose members see the lungs: it is verified whole, and each member sees its own view."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.imaging import InputSpec, Radiograph, prepare
from service.inference import (
    MANIFEST_FILE,
    BundleError,
    Ensemble,
    Manifest,
    file_sha256,
    load_ensemble,
    open_bundle,
)
from service.inference.manifest import ViewName
from service.lungs import find_lungs, segmentation_input
from tests.phantom import phantom
from tests.tiny_bundle import LUNGS_FILE, LUNGS_SIDE, dark_finder, save_network, write_tiny_bundle

VIEWS: tuple[ViewName, ...] = ("lung_field", "lungs_only")
SIDE = 32
SPEC = InputSpec(height=SIDE, width=SIDE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("lungs"), pooled=True, views=VIEWS)


@pytest.fixture(scope="module")
def ensemble(folder: Path) -> Ensemble:
    return load_ensemble(folder, threads=1)


@pytest.fixture
def models(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "models"))


def flat() -> Any:
    import keras  # noqa: PLC0415

    image = keras.Input((LUNGS_SIDE, LUNGS_SIDE, 1))
    return keras.Model(image, keras.layers.Conv2D(2, 1, activation="sigmoid")(image))


SECOND = {"file": "second.onnx", "sha256": "0" * 64}
COMPILED = {"file": "lungs.onnx", "sha256": "0" * 64, "sources": {}}
INT8: dict[str, Any] = {
    "file": "lungs.int8.onnx",
    "sha256": "0" * 64,
    "agreement": {"images": 600, "largest_difference": 0.0, "verdicts_changed": 0},
    "golden": [],
}


def change(models: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = models / MANIFEST_FILE
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def refusal(models: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_ensemble(models, threads=1)
    return caught.value.message


def test_each_view_is_a_channel_in_the_order_of_its_first_use(folder: Path) -> None:
    manifest = open_bundle(folder).manifest
    assert manifest.views == VIEWS
    assert manifest.shape == (SIDE, SIDE, 2)
    assert manifest.channels == (slice(0, 1), slice(1, 2))


def test_members_of_one_view_share_its_channel(models: Path) -> None:
    change(models, lambda content: content["members"][1].update(view="lung_field"))
    manifest = Manifest.read(models / MANIFEST_FILE)
    assert manifest.views == ("lung_field",)
    assert manifest.shape == (SIDE, SIDE, 1)
    assert manifest.channels == (slice(0, 1), slice(0, 1))


@pytest.mark.parametrize("view", ["", "whole-frame", "local-contrast", "frame", None])
def test_networks_1_x_take_the_whole_frame(models: Path, view: str | None) -> None:
    def edit(content: dict[str, Any]) -> None:
        for member in content["members"]:
            member["view"] = view
            if view is None:
                del member["view"]
        del content["lungs"]

    change(models, edit)
    manifest = Manifest.read(models / MANIFEST_FILE)
    assert manifest.views == ("frame",)
    assert manifest.shape == (SIDE, SIDE, 1)


@pytest.mark.tensorflow
def test_a_member_answers_to_its_own_channel_alone(ensemble: Ensemble) -> None:
    planes = [prepare(Radiograph(phantom(seed), "PNG", ""), SPEC) for seed in range(3)]
    batch, other = (np.concatenate([planes[0], planes[n]], axis=-1)[None] for n in (1, 2))
    [first], [second] = ensemble.score(batch), ensemble.score(other)
    assert first.members[0].probability == pytest.approx(second.members[0].probability, abs=1e-6)
    assert first.members[1].probability != pytest.approx(second.members[1].probability, abs=1e-3)


@pytest.mark.tensorflow
def test_maps_add_up_with_views_too(ensemble: Ensemble) -> None:
    batch = np.random.default_rng(1).uniform(size=(2, SIDE, SIDE, 2)).astype(np.float32)
    for explained, score in zip(ensemble.explain(batch), ensemble.score(batch), strict=True):
        calibration = ensemble.bundle.manifest.calibration
        logits = calibration.slope * explained.maps.sum(axis=(1, 2)) + calibration.intercept
        found = [member.probability for member in score.members]
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), found, atol=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_lungs_of_a_phantom_are_found(ensemble: Ensemble, seed: int) -> None:
    radiograph = Radiograph(phantom(seed), "PNG", "")
    [probabilities] = ensemble.segment(segmentation_input(radiograph, LUNGS_SIDE)[None])
    assert probabilities.shape == (LUNGS_SIDE, LUNGS_SIDE)
    field = find_lungs(probabilities, radiograph.width, radiograph.height)
    assert field is not None
    np.testing.assert_allclose(field.box, (0.17, 0.19, 0.83, 0.81), atol=0.08)


@pytest.mark.tensorflow
def test_without_such_a_network_nothing_is_segmented(tiny_ensemble: Ensemble) -> None:
    with pytest.raises(BundleError, match="no network that finds the lungs"):
        tiny_ensemble.segment(np.zeros((1, LUNGS_SIDE, LUNGS_SIDE, 1), np.float32))


def test_a_changed_lungs_network_is_refused(models: Path) -> None:
    with (models / LUNGS_FILE).open("ab") as file:
        file.write(b"!")
    assert refusal(models) == (
        f"The file {LUNGS_FILE} is not the one that the manifest describes: its digest differs."
    )


def test_a_missing_lungs_network_is_refused(models: Path) -> None:
    (models / LUNGS_FILE).unlink()
    assert refusal(models) == f"The bundle lacks the file {LUNGS_FILE}."


def test_a_changed_lungs_graph_is_refused(models: Path) -> None:
    (models / "lungs.onnx").write_bytes(b"another graph")
    entry = {"file": "lungs.onnx", "sha256": "0" * 64, "sources": {}}
    change(models, lambda content: content["lungs"].update(compiled=entry))
    assert "lungs.onnx is not the one that the manifest describes" in refusal(models)


@pytest.mark.tensorflow
def test_another_network_that_finds_other_lungs_is_refused(models: Path) -> None:
    network = dark_finder(LUNGS_SIDE)
    kernel, bias = network.layers[1].get_weights()
    network.layers[1].set_weights([kernel, bias + 8])
    save_network(network, models / LUNGS_FILE)
    digest = file_sha256(models / LUNGS_FILE)
    change(models, lambda content: content["lungs"].update(sha256=digest))
    assert "finds other lungs in the test image" in refusal(models)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (lambda: dark_finder(LUNGS_SIDE * 2), "takes 128 x 128 x 1 where"),
        (flat, "it must give 64 x 64 x 1, one for each pixel"),
    ],
)
def test_a_network_of_another_shape_is_refused(
    models: Path, network: Callable[[], Any], reason: str
) -> None:
    save_network(network(), models / LUNGS_FILE)
    digest = file_sha256(models / LUNGS_FILE)
    change(models, lambda content: content["lungs"].update(sha256=digest, golden=[]))
    assert reason in refusal(models)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda m: m.pop("lungs"), "has a member that sees the lungs, and no network"),
        (lambda m: m["input"].update(height=48), "needs a square input of one channel"),
        (lambda m: m["input"].update(channels=3), "needs a square input of one channel"),
        (lambda m: m["input"].update(scale=1.0), "needs a square input of one channel"),
        (lambda m: m["members"][0].update(view="lung_feild"), "members.0.view must be"),
        (lambda m: m["members"][0].update(view=["frame"]), "members.0.view must be"),
        (lambda m: m["lungs"].update(file=m["members"][0]["file"]), "names one file for two"),
        (lambda m: m["lungs"].update(threshold=1.0), "lungs.threshold must be below 1"),
        (lambda m: m["lungs"].update(margin=-0.1), "lungs.margin must be at least 0"),
        (lambda m: m["lungs"].update(side=16), "lungs.side must be at least 32"),
        (
            lambda m: m["lungs"].update(compiled=COMPILED | {"further": [SECOND]}),
            "lungs has several graphs of one network",
        ),
        (
            lambda m: m["lungs"].update(compiled=COMPILED | {"int8": INT8 | {"further": [SECOND]}}),
            "lungs has several graphs of one network",
        ),
        (
            lambda m: m["lungs"]["golden"][0].update(probabilities=[0.5, 0.5]),
            "has a golden entry without one probability for each quarter",
        ),
    ],
)
def test_what_contradicts_itself_is_named(
    models: Path, edit: Callable[[dict[str, Any]], object], reason: str
) -> None:
    change(models, edit)
    with pytest.raises(BundleError) as caught:
        open_bundle(models)
    assert reason in caught.value.message
