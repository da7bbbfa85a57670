"""The bundle in ``models/``: verified, answered without TensorFlow, right on real radiographs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.imaging import Radiograph, prepare
from service.inference import Ensemble, PrecisionChoice, load_ensemble
from service.inference.probability import calibrate
from service.screening.screen import Screening
from tests.phantom import phantom

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
ORIGINALS = ROOT.parent / "shared/data/originals"


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return load_ensemble(MODELS, threads=1)


@pytest.fixture(scope="module")
def shown(ensemble: Ensemble) -> NDArray[np.float32]:
    """Phantoms from clear to cloudy, prepared: shape (6, height, width, channels)."""
    pictures = [phantom(seed, (640, 512), opacity=seed / 5) for seed in range(6)]
    radiographs = [Radiograph(picture, "PNG", "") for picture in pictures]
    spec = ensemble.bundle.manifest.input
    return np.stack([prepare(radiograph, spec) for radiograph in radiographs])


def test_it_is_answered_by_its_compiled_graph(ensemble: Ensemble) -> None:
    assert ensemble.bundle.provenance == "manifest"
    assert (ensemble.engine_name, ensemble.warning) == ("onnx", "")


def test_tensorflow_is_never_imported_for_it() -> None:
    code = (
        "import sys; from pathlib import Path; from service.inference import load_ensemble;"
        "load_ensemble(Path('models'), threads=1);"
        "sys.exit(bool({'tensorflow', 'keras', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_its_networks_are_small_enough_to_travel() -> None:
    for path in MODELS.iterdir():
        assert path.stat().st_size <= 12e6, path.name


def test_it_was_measured_on_whole_blocks_of_patients(ensemble: Ensemble) -> None:
    metrics = ensemble.bundle.manifest.metrics
    assert metrics is not None
    assert "contiguous blocks" in metrics.protocol
    figures = json.loads(json.dumps(metrics.figures))["ensemble"]
    assert figures["auc"]["value"] >= 0.95
    assert figures["sensitivity"]["value"] >= 0.97


def test_its_card_gives_the_manifests_figures(ensemble: Ensemble) -> None:
    manifest = ensemble.bundle.manifest
    card = (MODELS / "MODEL_CARD.md").read_text()
    assert f"{manifest.name} {manifest.version}" in card
    assert manifest.metrics is not None
    for member in manifest.members:
        assert member.sha256 in card
        auc = json.loads(json.dumps(member.metrics))["auc"]
        assert f"{auc['value']:.4f} ({auc['low']:.4f} to {auc['high']:.4f})" in card


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the real radiographs are not here")
def test_real_radiographs_get_the_right_verdicts(ensemble: Ensemble) -> None:
    """They are training images: far fewer right answers would mean a broken path to the tensor."""
    screening = Screening(ensemble, max_pixels=30_000_000)
    paths = sorted(ORIGINALS.rglob("*.jpeg"))
    verdicts = {path: screening.screen(path.read_bytes()) for path in paths}
    right = [path.parent.name == verdict.predicted_class for path, verdict in verdicts.items()]
    assert len(right) == 50
    assert sum(right) >= 47


def test_its_graph_in_8_bits_passed_its_gate(ensemble: Ensemble) -> None:
    compiled = ensemble.bundle.manifest.compiled
    assert compiled is not None
    assert compiled.int8 is not None
    found = compiled.int8.agreement
    assert found.images >= 600
    assert found.verdicts_changed <= 0.005 * found.images
    assert found.auc_loss is not None
    assert found.auc_loss <= 0.001


def test_both_precisions_answer_and_explain_alike(shown: NDArray[np.float32]) -> None:
    wide, narrow = (load_ensemble(MODELS, threads=1, precision=p) for p in ("fp32", "int8"))
    for one, other in zip(wide.explain(shown), narrow.explain(shown), strict=True):
        assert one.score.probability == pytest.approx(other.score.probability, abs=0.1)
        assert np.corrcoef(one.maps.ravel(), other.maps.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_its_maps_add_up_to_the_members_answers(
    precision: PrecisionChoice, shown: NDArray[np.float32]
) -> None:
    ensemble = load_ensemble(MODELS, threads=1, precision=precision)
    for explained in ensemble.explain(shown):
        logits = explained.maps.sum(axis=(1, 2), dtype=np.float64)
        expected = calibrate(1 / (1 + np.exp(-logits)), ensemble.bundle.manifest.calibration)
        found = [member.probability for member in explained.score.members]
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.tensorflow
@pytest.mark.timeout(300)
def test_both_engines_agree_on_what_they_are_shown(shown: NDArray[np.float32]) -> None:
    ours = load_ensemble(MODELS, threads=1, engine="onnx", precision="fp32")
    theirs = load_ensemble(MODELS, threads=1, engine="tensorflow")
    for one, other in zip(ours.explain(shown), theirs.explain(shown), strict=True):
        assert one.score.probability == pytest.approx(other.score.probability, abs=2e-4)
        np.testing.assert_allclose(one.maps, other.maps, atol=1e-4)
