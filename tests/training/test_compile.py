"""A graph is written only if it answers as Keras does, and it answers only for its own networks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from service.inference import BundleError, file_sha256, load_ensemble, open_bundle
from tests.tiny_bundle import write_tiny_bundle
from training import compile as module
from training.compile import GRAPH_FILE, TOLERANCE, CompileError, compile_bundle
from training.data import Record, scan

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

IMAGES = np.random.default_rng(0).uniform(size=(8, 32, 32, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def records(data_set: Path) -> tuple[Record, ...]:
    return scan(data_set / "train").records


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, records: tuple[Record, ...]) -> Path:
    """A tiny bundle with its graph; tests that change it copy it."""
    directory = write_tiny_bundle(tmp_path_factory.mktemp("models"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MIN_IMAGES", 20)
        agreement = compile_bundle(directory, records)
    assert agreement.images == 40
    assert agreement.largest_difference <= TOLERANCE
    assert agreement.verdicts_changed == 0
    return directory


def test_the_compiled_bundle_answers_as_keras_does(compiled: Path) -> None:
    ours = load_ensemble(compiled, threads=1)
    theirs = load_ensemble(compiled, threads=1, engine="tensorflow")
    assert (ours.engine_name, theirs.engine_name, ours.warning) == ("onnx", "tensorflow", "")
    for one, other in zip(ours.score(IMAGES), theirs.score(IMAGES), strict=True):
        assert one.probability == pytest.approx(other.probability, abs=TOLERANCE)


def test_a_network_that_changed_after_compiling_is_served_by_tensorflow_with_a_warning(
    tmp_path: Path, compiled: Path
) -> None:
    changed = shutil.copytree(compiled, tmp_path / "changed")
    other = write_tiny_bundle(tmp_path / "other", seed=9)
    manifest = json.loads((changed / "ensemble.json").read_text())
    file = manifest["members"][0]["file"]
    shutil.copy(other / file, changed / file)
    manifest["members"][0]["sha256"] = file_sha256(changed / file)
    manifest["golden"] = []
    (changed / "ensemble.json").write_text(json.dumps(manifest))

    with pytest.raises(BundleError, match="made from other networks"):
        load_ensemble(changed, threads=1, engine="onnx")
    served = load_ensemble(changed, threads=1)
    assert served.engine_name == "tensorflow"
    assert "made from other networks" in served.warning
    fresh = load_ensemble(other, threads=1).score(IMAGES)
    for one, new in zip(served.score(IMAGES), fresh, strict=True):
        assert one.members[0].probability == pytest.approx(new.members[0].probability, abs=1e-5)


def test_a_graph_that_differs_is_not_written(
    tmp_path: Path, records: tuple[Record, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    manifest = (directory / "ensemble.json").read_bytes()
    other = write_tiny_bundle(tmp_path / "other", seed=9)
    honest = module.export

    def export_another(_: object, path: Path) -> None:
        honest(open_bundle(other), path)

    monkeypatch.setattr(module, "MIN_IMAGES", 20)
    monkeypatch.setattr(module, "export", export_another)
    with pytest.raises(CompileError, match="differs from Keras"):
        compile_bundle(directory, records)
    assert (directory / "ensemble.json").read_bytes() == manifest
    assert not (directory / GRAPH_FILE).exists()


def test_too_few_images_are_no_evidence(tmp_path: Path, records: tuple[Record, ...]) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    with pytest.raises(CompileError, match="40 patients are too few"):
        compile_bundle(directory, records)
    assert not (directory / GRAPH_FILE).exists()
