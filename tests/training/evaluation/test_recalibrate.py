"""A site's own films give a new calibration, threshold and range, measured on films left out."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from service.inference import Calibration, Ensemble, Indeterminate, Manifest, open_bundle
from service.inference.probability import calibrated
from tests.fake_engine import FakeEngine, FakeSegmenter, fake_bundle
from tests.inference.crafted import write_bundle as craft
from tests.training.evaluation.made_up import write_films
from training.__main__ import app
from training.data import DataError
from training.evaluation import site
from training.evaluation.recalibrate import recalibrate
from training.evaluation.site import MIN_CASES, Cases
from training.evaluation.site_bundle import FOLDS, Recalibrated, write_bundle

SHIFT = 2.5
"""By how much the site's device lowers every logit."""

OLD = fake_bundle().manifest.model_copy(
    update={
        "version": "2.0.0",
        "calibration": Calibration(method="platt", slope=1.0, intercept=0.0),
        "indeterminate": Indeterminate(lower=0.3, upper=0.7, error=0.03, target=0.02, coverage=1),
    }
)


def cases(normal: int, sick: int, seed: int = 0) -> Cases:
    """Films whose true log odds are their logits, lowered by ``SHIFT``."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [normal, sick])
    logits = rng.normal(4.0 * labels - 2.0, 2.0) - SHIFT
    patients = tuple(f"patient {number}" for number in range(len(labels)))
    return Cases(labels, logits, patients, {"no_lungs": 2})


def done(normal: int, sick: int, **options: Any) -> Recalibrated:
    return recalibrate(OLD, cases(normal, sick), "clinic", sensitivity=0.9, **options)


def test_a_shift_of_the_device_is_undone() -> None:
    found = done(300, 300)
    assert found.manifest.calibration.intercept == pytest.approx(SHIFT, abs=0.6)
    assert found.before["sensitivity"]["value"] < 0.6
    assert found.after["sensitivity"]["value"] > 0.85
    assert found.after["brier"]["value"] < found.before["brier"]["value"]
    assert found.after["ece"] < found.before["ece"] / 2
    assert found.after["auc"] == found.before["auc"]
    assert found.manifest.calibration.prevalence == 0.5


def test_the_new_figures_are_those_of_films_that_were_left_out() -> None:
    """On the films of the fit the sensitivity is reached by choice; on others it may not be."""
    found = [
        recalibrate(OLD, cases(45, 45, seed), "clinic", sensitivity=0.95).after for seed in range(8)
    ]
    reached = [each["sensitivity"]["value"] for each in found]
    assert min(reached) < 0.95
    assert all(each["sensitivity"]["n"] == 45 for each in found)


def test_the_manifest_says_what_was_done() -> None:
    manifest = done(300, 300).manifest
    assert manifest.version == "2.0.0+clinic"
    assert manifest.metrics is not None
    assert f"{FOLDS}-fold cross-validation by patient on 600 films" in manifest.metrics.protocol
    assert manifest.metrics.figures["earlier"]["version"] == "2.0.0"  # type: ignore[index,call-overload]
    assert "the site's pneumonias" in manifest.threshold.rule
    again = recalibrate(manifest, cases(60, 60), "ward", sensitivity=0.9).manifest
    assert again.version == "2.0.0+clinic.ward"


def test_enough_films_choose_a_range_of_their_own() -> None:
    entry = done(300, 300).manifest.indeterminate
    assert entry is not None
    assert entry.target == 0.02
    assert entry.metrics["folds"] == FOLDS
    assert "answers to 600 films" in entry.fitted_on


def test_few_films_keep_the_scores_doubtful_that_were() -> None:
    found = done(61, 200)
    entry = found.manifest.indeterminate
    assert entry is not None
    assert entry.fitted_on.startswith("carried over from version 2.0.0")
    assert "needs 62 films of each class" in entry.fitted_on
    calibration = found.manifest.calibration
    assert entry.lower <= calibrated(0.3, calibration) + 1e-4
    assert entry.upper >= calibrated(0.7, calibration) - 1e-4
    assert entry.lower <= found.manifest.threshold.value <= entry.upper
    larger = done(61, 200, error=0.05).manifest.indeterminate
    assert larger is not None
    assert larger.target == 0.05


@pytest.mark.parametrize(
    ("normal", "sick", "needed"),
    [(39, 80, "1 more normal"), (80, 12, "28 more with pneumonia"), (0, 0, "40 more normal and")],
)
def test_too_few_cases_are_refused_with_the_number(normal: int, sick: int, needed: str) -> None:
    with pytest.raises(DataError, match=rf"2 films were refused.*{needed}"):
        done(normal, sick)


def test_networks_that_rank_the_wrong_way_are_refused() -> None:
    wrong = cases(100, 100)
    with pytest.raises(DataError, match="rank normals above"):
        recalibrate(
            OLD, dataclasses.replace(wrong, logits=-wrong.logits), "clinic", sensitivity=0.9
        )


def test_a_patient_is_in_one_part_only() -> None:
    plain = cases(60, 60)
    shared = dataclasses.replace(plain, patients=plain.patients[60:] + plain.patients[60:])
    folds = shared.folds(FOLDS)
    assert (folds[:60] == folds[60:]).all()
    assert set(np.bincount(folds).tolist()) == {24}


def test_the_new_bundle_holds_the_old_files_and_verifies(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = craft(tmp_path / "old")
    found = recalibrate(open_bundle(old).manifest, cases(60, 60), "clinic", sensitivity=0.9)
    write_bundle(old, found, tmp_path / "sites/new")
    new = open_bundle(tmp_path / "sites/new")
    assert new.manifest == found.manifest
    assert new.contents == open_bundle(old).contents
    assert new.digest != open_bundle(old).digest
    assert "| sensitivity |" in (tmp_path / "sites/new/RECALIBRATION.md").read_text()
    assert [path.name for path in (tmp_path / "sites").iterdir()] == ["new"]
    with pytest.raises(DataError, match="exists"):
        write_bundle(old, found, tmp_path / "sites/new")


class Brightness(FakeEngine):
    """Both networks see a cloudy lung as brighter than a clear one."""

    def scores(self, batch: Any) -> Any:
        mean = batch.mean(axis=(1, 2, 3))
        return np.stack([mean, mean], axis=1).astype(np.float32)


def test_the_command_reads_a_folder_through_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = write_films(tmp_path / "films", {"NORMAL": MIN_CASES + 1, "PNEUMONIA": MIN_CASES + 3})
    (films / "NORMAL/001.png").write_bytes(b"no picture")
    bright = np.random.default_rng(0).integers(180, 220, (64, 64)).astype(np.uint8)
    Image.fromarray(bright).save(films / "PNEUMONIA/044.png")
    (tmp_path / "old").mkdir()
    old = craft(tmp_path / "old")
    fake = Ensemble(fake_bundle(lungs=True), Brightness(), segmenter=FakeSegmenter())
    monkeypatch.setattr(site, "load_ensemble", lambda *_, **__: fake)
    out = tmp_path / "new"
    command = ["recalibrate", "--data", str(films), "--bundle", str(old), "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--name", "two words"])
    assert result.exit_code == 2
    result = CliRunner().invoke(app, [*command, "--name", "ward"])
    assert result.exit_code == 0, result.output
    assert "83 films" in result.output
    assert "not read: 1 no_lungs, 1 unsupported_format" in result.output
    assert Manifest.read(out / "ensemble.json").version == "1.0+ward"
