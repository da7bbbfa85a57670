"""Graphs are written only if they answer as Keras does, and answer only for their own networks."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from service.imaging import InputSpec
from service.inference import (
    BundleError,
    NotExplainableError,
    PrecisionChoice,
    file_sha256,
    load_ensemble,
    open_bundle,
)
from service.inference.manifest import Agreement
from tests.tiny_bundle import write_tiny_bundle
from training.data import Record, scan
from training.export import agreement
from training.export import compile as module
from training.export.compile import (
    TOLERANCE,
    CompileError,
    compile_bundle,
)
from training.export.graphs import export
from training.export.inputs import seen

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

GRAPHS = ("modelo_afinado_tuning.onnx", "modelo_2_ensamble.onnx")
INT8_GRAPHS = ("modelo_afinado_tuning.int8.onnx", "modelo_2_ensamble.int8.onnx")

PRECISIONS: tuple[PrecisionChoice, ...] = ("auto", "fp32", "int8")
IMAGES = np.random.default_rng(0).uniform(size=(8, 32, 32, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def records(data_set: Path) -> tuple[Record, ...]:
    return scan(data_set / "train").records


def make_do(patch: pytest.MonkeyPatch) -> None:
    """Have the gates judge by the phantoms that there are: 24 patients, and 16 further ones."""
    for name, value in {"MIN_IMAGES": 20, "GATE_IMAGES": 24, "INT8_MIN_IMAGES": 16}.items():
        patch.setattr(module, name, value)


@pytest.fixture
def _few_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    make_do(monkeypatch)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, records: tuple[Record, ...]) -> Path:
    """A tiny bundle with its graphs; tests that change it copy it."""
    directory = write_tiny_bundle(tmp_path_factory.mktemp("models"), pooled=True)
    with pytest.MonkeyPatch.context() as patch:
        make_do(patch)
        # Networks this tiny lose more in 8 bits than real ones.
        for name in ("INT8_MAX_CHANGED", "INT8_MAX_AUC_LOSS", "ELSEWHERE_MAX_CHANGED"):
            patch.setattr(agreement, name, 0.2)
        outcome = compile_bundle(directory, records, {"older": [r for r in records if r.label]})
    assert outcome.agreement.images == 24
    assert outcome.agreement.largest_difference <= TOLERANCE
    assert outcome.agreement.verdicts_changed == 0
    assert outcome.int8 is not None
    assert outcome.int8.images == 16
    return directory


def test_the_compiled_bundle_answers_as_keras_does(compiled: Path) -> None:
    ours = load_ensemble(compiled, threads=1, precision="fp32")
    theirs = load_ensemble(compiled, threads=1, engine="tensorflow")
    assert (ours.engine_name, theirs.engine_name, ours.warning) == ("onnx", "tensorflow", "")
    for one, other in zip(ours.score(IMAGES), theirs.score(IMAGES), strict=True):
        assert one.probability == pytest.approx(other.probability, abs=TOLERANCE)


def test_the_compiled_bundle_explains_as_keras_does(compiled: Path) -> None:
    ours = load_ensemble(compiled, threads=1, precision="fp32")
    theirs = load_ensemble(compiled, threads=1, engine="tensorflow")
    for one, other in zip(ours.explain(IMAGES), theirs.explain(IMAGES), strict=True):
        assert one.maps.shape == (2, 4, 4)
        assert one.maps.std() > 100 * TOLERANCE
        np.testing.assert_allclose(one.maps, other.maps, atol=TOLERANCE)


def test_the_graph_in_8_bits_answers_nearly_the_same(
    compiled: Path, records: tuple[Record, ...]
) -> None:
    wide = load_ensemble(compiled, threads=1, precision="fp32")
    narrow = load_ensemble(compiled, threads=1, precision="int8")
    assert (narrow.engine_name, narrow.precision) == ("onnx", "int8")
    images, _ = seen(wide.bundle, None, records[::4])
    for one, other in zip(wide.explain(images), narrow.explain(images), strict=True):
        assert one.score.probability == pytest.approx(other.score.probability, abs=0.1)
        assert 0 < np.abs(one.maps - other.maps).max() < 0.1


def test_the_manifest_tells_what_the_gates_found(compiled: Path) -> None:
    manifest = open_bundle(compiled).manifest
    assert manifest.compiled is not None
    assert manifest.compiled.agreement is not None
    assert manifest.compiled.agreement.largest_map_difference is not None
    int8 = manifest.compiled.int8
    assert int8 is not None
    for files, entry in ((GRAPHS, manifest.compiled), (INT8_GRAPHS, int8)):
        found = {graph.file: graph.sha256 for graph in entry.graphs}
        assert found == {file: file_sha256(compiled / file) for file in files}
    assert int8.agreement.auc_loss is not None
    # Films of one class have no AUC.
    assert int8.elsewhere["older"].images > 16
    assert int8.elsewhere["older"].auc_loss is None
    assert [golden.kind for golden in int8.golden] == ["ramp", "checker", "chest"]


def test_8_bits_must_agree_on_films_of_other_hospitals_too() -> None:
    def found(images: int, changed: int, loss: float | None = 0.0) -> Agreement:
        return Agreement(
            images=images, largest_difference=0, verdicts_changed=changed, auc_loss=loss
        )

    here = found(1000, 5)
    assert agreement.refusal_of(here, {"near": found(90, 1, None), "far": found(300, 3)}) == ""
    assert "6 of 1000 verdicts (at most 5" in agreement.refusal_of(found(1000, 6), {})
    assert "films of far" in agreement.refusal_of(here, {"near": found(90, 1), "far": found(90, 2)})
    assert "films of near" in agreement.refusal_of(here, {"near": found(90, 0, 0.01)})


def test_another_hospital_without_lungs_to_be_found_is_named(
    tmp_path: Path, compiled: Path, records: tuple[Record, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_do(monkeypatch)
    directory = shutil.copytree(compiled, tmp_path / "models")
    with pytest.raises(CompileError, match="no film of strange"):
        compile_bundle(directory, records, {"strange": []})


@pytest.mark.usefixtures("_few_will_do")
def test_a_graph_in_8_bits_that_changes_verdicts_is_left_out(
    tmp_path: Path,
    compiled: Path,
    records: tuple[Record, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = shutil.copytree(compiled, tmp_path / "models")

    def quantise_badly(_: Path, __: object, target: Path) -> None:
        """Answer as another network would."""
        other = open_bundle(write_tiny_bundle(tmp_path / "other", seed=9, pooled=True))
        file = other.directory / other.manifest.members[0].file
        export({file: target}, other.manifest.input)

    monkeypatch.setattr(module, "quantise_member", quantise_badly)
    outcome = compile_bundle(directory, records)
    assert outcome.int8 is None
    assert re.search(r"change \d+ of 16 verdicts .* and lose -?\d\.\d+ of the AUC", outcome.refusal)
    assert {file.name for file in directory.glob("*.onnx")} == set(GRAPHS)
    assert load_ensemble(directory, threads=1).precision == "fp32"


@pytest.mark.usefixtures("_few_will_do")
def test_too_few_further_images_are_no_evidence_for_8_bits(
    tmp_path: Path,
    records: tuple[Record, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    monkeypatch.setattr(module, "INT8_MIN_IMAGES", 17)
    outcome = compile_bundle(directory, records)
    assert "16 further patients are too few" in outcome.refusal
    assert {file.name for file in directory.glob("*.onnx")} == set(GRAPHS)


@pytest.mark.usefixtures("_few_will_do")
def test_networks_without_maps_are_compiled_all_the_same(
    tmp_path: Path, records: tuple[Record, ...]
) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    agreement = compile_bundle(directory, records).agreement
    assert agreement.largest_map_difference is None
    with pytest.raises(NotExplainableError):
        load_ensemble(directory, threads=1, engine="onnx").explain(IMAGES)


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

    for precision in PRECISIONS:
        with pytest.raises(BundleError, match="made from other networks"):
            load_ensemble(changed, threads=1, engine="onnx", precision=precision)
    served = load_ensemble(changed, threads=1)
    assert served.engine_name == "tensorflow"
    assert "made from other networks" in served.warning
    fresh = load_ensemble(other, threads=1).score(IMAGES)
    for one, new in zip(served.score(IMAGES), fresh, strict=True):
        assert one.members[0].probability == pytest.approx(new.members[0].probability, abs=1e-5)


@pytest.mark.usefixtures("_few_will_do")
def test_a_graph_that_differs_is_not_written(
    tmp_path: Path,
    records: tuple[Record, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    manifest = (directory / "ensemble.json").read_bytes()
    other = write_tiny_bundle(tmp_path / "other", seed=9)

    def export_another(files: Mapping[Path, Path], spec: InputSpec, **_: object) -> None:
        export({other / file.name: target for file, target in files.items()}, spec)

    monkeypatch.setattr(module, "export", export_another)
    with pytest.raises(CompileError, match="differ from Keras"):
        compile_bundle(directory, records)
    assert (directory / "ensemble.json").read_bytes() == manifest
    assert not list(directory.glob("*.onnx"))


def test_too_few_images_are_no_evidence(tmp_path: Path, records: tuple[Record, ...]) -> None:
    directory = write_tiny_bundle(tmp_path / "models")
    with pytest.raises(CompileError, match="40 patients are too few"):
        compile_bundle(directory, records)
    assert not list(directory.glob("*.onnx"))
