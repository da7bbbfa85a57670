"""The bundle in ``models/``: verified, answered without TensorFlow, right on real radiographs."""

import io
import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from service.imaging import Radiograph
from service.inference import Ages, Ensemble, load_ensemble
from service.inference.probability import calibrate
from service.lungs import find_lungs, member_input, segmentation_input
from service.screening.screen import Screening
from service.settings import Settings
from tests.films import films, needs_films, was_looked_at
from tests.phantom import phantom
from tests.serving import client_of

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return load_ensemble(MODELS, threads=1)


@pytest.fixture(scope="module")
def shown(ensemble: Ensemble) -> NDArray[np.float32]:
    """What the members see of phantoms from clear to cloudy: shape (N, height, width, views)."""
    manifest = ensemble.bundle.manifest
    assert manifest.lungs is not None
    batch = []
    for seed in range(6):
        radiograph = Radiograph(phantom(seed, (640, 512), opacity=seed / 5), "PNG", "")
        [seen] = ensemble.look(segmentation_input(radiograph, manifest.lungs.side)[None])
        size = radiograph.width, radiograph.height
        field = find_lungs(seen.probabilities, *size, manifest.lungs.threshold)
        if field:
            batch.append(member_input(radiograph, field, manifest.input, manifest.views))
    assert len(batch) > 3
    return np.stack(batch)


def test_it_is_answered_by_its_compiled_graph(ensemble: Ensemble) -> None:
    assert ensemble.bundle.provenance == "manifest"
    assert (ensemble.engine_name, ensemble.warning) == ("onnx", "")


def test_it_says_for_which_ages_it_is(ensemble: Ensemble) -> None:
    data = ensemble.bundle.manifest.training_data
    assert data is not None
    assert data.ages == Ages(youngest=1, oldest=5)


def test_tensorflow_is_never_imported_for_it() -> None:
    code = (
        "import sys; from pathlib import Path; from service.inference import load_ensemble;"
        "load_ensemble(Path('models'), threads=1);"
        "sys.exit(bool({'tensorflow', 'keras', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_its_networks_are_small_enough_to_travel() -> None:
    for path in MODELS.iterdir():
        assert path.stat().st_size <= 20e6, path.name


def test_it_was_measured_on_whole_blocks_of_patients(ensemble: Ensemble) -> None:
    metrics = ensemble.bundle.manifest.metrics
    assert metrics is not None
    assert "contiguous blocks" in metrics.protocol
    figures = json.loads(json.dumps(metrics.figures))["ensemble"]
    assert figures["auc"]["value"] >= 0.98
    assert figures["sensitivity"]["value"] >= 0.95
    assert figures["specificity"]["value"] >= 0.9  # the blocks that resemble a test set included


def test_its_card_gives_the_manifests_figures(ensemble: Ensemble) -> None:
    manifest = ensemble.bundle.manifest
    card = (MODELS / "MODEL_CARD.md").read_text()
    assert f"{manifest.name} {manifest.version}" in card
    assert f"A probability above {manifest.threshold.value:g} is a verdict" in card
    assert manifest.metrics is not None
    whole = json.loads(json.dumps(manifest.metrics.figures))["ensemble"]
    measured = [json.loads(json.dumps(member.metrics)) for member in manifest.members]
    for auc in (each["auc"] for each in (whole, *measured)):
        assert f"{auc['value']:.3f} ({auc['low']:.3f}-{auc['high']:.3f})" in card
    for member in manifest.members:
        assert member.sha256[:12] in card


def test_it_has_an_input_gate_and_a_range_without_an_answer(ensemble: Ensemble) -> None:
    manifest = ensemble.bundle.manifest
    assert manifest.suitability is not None
    assert manifest.indeterminate is not None
    assert manifest.indeterminate.lower <= manifest.threshold.value <= manifest.indeterminate.upper


@needs_films
def test_real_radiographs_get_the_right_verdicts(ensemble: Ensemble) -> None:
    """They are training images: far fewer right answers would mean a broken path to the tensor."""
    screening = Screening(ensemble, max_pixels=30_000_000)
    verdicts = {path: screening.screen(path.read_bytes()) for path in films()}
    right = [path.parent.name == verdict.predicted_class for path, verdict in verdicts.items()]
    assert len(right) == 50
    assert sum(right) >= 47
    for path, verdict in verdicts.items():
        assert verdict.lungs is not None, path
        assert verdict.assessment in {"indeterminate", verdict.predicted_class.lower()}, path
    warned = [path for path, verdict in verdicts.items() if verdict.warnings]
    assert len(warned) <= 10


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
async def test_a_drawn_chest_is_refused_or_judged_with_a_warning(kind: str) -> None:
    async with client_of(create_app(Settings(models_dir=MODELS, threads=1))) as service:
        for seed in range(4):
            answer = await send(service, encoded(seed, kind))
            assert was_looked_at(answer.status_code, answer.content), answer.text
            if answer.status_code == 200:
                codes = {warning["code"] for warning in answer.json()["warnings"]}
                assert "far_from_training_data" in codes
        answer = await send(service, encoded(0, kind)[:2000])
        assert answer.status_code == 422
        assert not was_looked_at(answer.status_code, answer.content), answer.text


async def send(service: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await service.post("/predict", files={"file": content})


def encoded(seed: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    phantom(seed, opacity=seed / 3).save(buffer, kind)
    return buffer.getvalue()


def test_graphs_in_8_bits_passed_their_gates(ensemble: Ensemble) -> None:
    manifest = ensemble.bundle.manifest
    assert manifest.lungs is not None
    for compiled in (manifest.compiled, manifest.lungs.compiled):
        assert compiled is not None
        assert compiled.agreement is not None
        assert compiled.agreement.verdicts_changed == 0
        if compiled.int8:
            found = compiled.int8.agreement
            assert found.images >= 600
            assert found.verdicts_changed <= 0.005 * found.images
            assert (found.auc_loss or 0) <= 0.001
            assert found.dice is None or found.dice >= 0.99


def test_its_maps_add_up_to_the_members_answers(
    ensemble: Ensemble, shown: NDArray[np.float32]
) -> None:
    for explained in ensemble.explain(shown):
        logits = explained.maps.sum(axis=(1, 2), dtype=np.float64)
        expected = calibrate(1 / (1 + np.exp(-logits)), ensemble.bundle.manifest.calibration)
        found = [member.probability for member in explained.score.members]
        assert found == pytest.approx(expected, abs=1e-5)


def test_both_precisions_answer_and_explain_alike(
    ensemble: Ensemble, shown: NDArray[np.float32]
) -> None:
    compiled = ensemble.bundle.manifest.compiled
    assert compiled is not None
    if compiled.int8 is None:
        pytest.skip("no graph in 8 bits passed its gate")
    wide, narrow = (load_ensemble(MODELS, threads=1, precision=p) for p in ("fp32", "int8"))
    for one, other in zip(wide.explain(shown), narrow.explain(shown), strict=True):
        assert one.score.probability == pytest.approx(other.score.probability, abs=0.1)
        assert np.corrcoef(one.maps.ravel(), other.maps.ravel())[0, 1] > 0.97


@pytest.mark.tensorflow
@pytest.mark.timeout(300)
def test_both_engines_agree_on_what_they_are_shown(shown: NDArray[np.float32]) -> None:
    ours = load_ensemble(MODELS, threads=1, engine="onnx", precision="fp32")
    theirs = load_ensemble(MODELS, threads=1, engine="tensorflow")
    for one, other in zip(ours.explain(shown), theirs.explain(shown), strict=True):
        assert one.score.probability == pytest.approx(other.score.probability, abs=2e-4)
        np.testing.assert_allclose(one.maps, other.maps, atol=1e-4)
