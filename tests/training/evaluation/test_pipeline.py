"""A bundle that finds the lungs is read here as the service reads it."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from service.imaging import decode
from service.inference import Calibration
from service.inference.probability import calibrated
from service.screening.screen import Screening
from tests.fake_engine import fake_ensemble
from tests.phantom import phantom
from tests.training.evaluation.made_up import write_films
from training.evaluation.films import read_folder
from training.evaluation.frame_exchange import FrameExchange
from training.evaluation.pipeline import NO_LUNGS, MaskFolder, Pipeline, raw_logit
from training.evaluation.scoring import probabilities, score


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(fake_ensemble(lungs=True))


def test_verdicts_and_lungs_are_those_of_the_service(tmp_path: Path, pipeline: Pipeline) -> None:
    films = read_folder(write_films(tmp_path / "set", {"NORMAL": 3, "PNEUMONIA": 3}, 128)).films
    table = score(pipeline, films)
    screening = Screening(fake_ensemble(lungs=True), max_pixels=1_000_000)
    scores = probabilities(table, pipeline.manifest)
    for row, film in enumerate(films):
        verdict = screening.screen(film.path.read_bytes())
        assert verdict.lungs
        assert scores[row] == pytest.approx(verdict.probability, abs=1e-4)
        assert table["left"][row] * 128 == pytest.approx(verdict.lungs.box.left, abs=1)
        assert table["bottom"][row] * 128 == pytest.approx(verdict.lungs.box.bottom, abs=1)
    assert (table["quality"] > 0.5).all()
    assert (table["left_area"] > 0.01).all()


def test_a_picture_without_lungs_is_refused_and_the_others_are_not(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    root = write_films(tmp_path / "set", {"NORMAL": 2}, 128)
    noise = np.random.default_rng(0).integers(150, 255, (128, 128)).astype(np.uint8)
    Image.fromarray(noise).save(root / "NORMAL/000.png")
    table = score(pipeline, read_folder(root).films)
    assert table["refused"].tolist() == [NO_LUNGS, "", ""]
    assert table["left"].isna().tolist() == [True, False, False]
    assert table["logit:mean"].isna().tolist() == [True, False, False]


def test_an_even_surround_is_cut_and_the_lungs_are_laid_back_into_the_frame(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    picture = phantom(3, (160, 160))
    ImageOps.expand(picture, 120, 255).save(tmp_path / "padded.png")
    picture.save(tmp_path / "plain.png")
    plain, padded = (
        pipeline.lungs(name, decode((tmp_path / name).read_bytes()))
        for name in ("plain.png", "padded.png")
    )
    assert plain
    assert padded
    expected = [(120 + 160 * part) / 400 for part in plain.box]
    assert list(padded.box) == pytest.approx(expected, abs=0.02)
    mask = padded.mask(100)
    assert mask.mean() == pytest.approx(plain.mask(100).mean() * 0.16, abs=0.01)
    rows, columns = np.nonzero(mask)
    found = (columns.min() / 100, rows.min() / 100, columns.max() / 100, rows.max() / 100)
    assert found == pytest.approx(padded.box, abs=0.03)


def test_evidence_is_a_share_of_what_speaks_for_pneumonia(pipeline: Pipeline) -> None:
    buffer = BytesIO()
    phantom(1, (128, 128), 1.0).save(buffer, "PNG")
    radiograph = decode(buffer.getvalue())
    lungs = pipeline.lungs("", radiograph)
    assert lungs
    inside = pipeline.evidence(radiograph, lungs)
    assert inside is not None
    assert 0 < inside < 1
    # Of a bundle that sees the whole frame, the same picture has less of it inside.
    frame = Pipeline(fake_ensemble()).evidence(radiograph, lungs)
    assert frame is not None
    assert frame < inside


def test_masks_give_the_lungs_of_a_bundle_that_does_not_look_for_them(tmp_path: Path) -> None:
    root = write_films(tmp_path / "set", {"NORMAL": 2, "PNEUMONIA": 1}, 128)
    masks = tmp_path / "masks"
    masks.mkdir()
    drawn = Image.new("L", (192, 192))
    for left in (40, 110):
        drawn.paste(255, (left, 48, left + 42, 144))
    drawn.save(masks / "001.png")
    finder = MaskFolder(masks)
    table = score(Pipeline(fake_ensemble()), read_folder(root).films, finder=finder)
    known = table["left"].notna()
    # Both classes have a film of that name; one mask serves the folder's films by name alone.
    assert known.tolist() == [True, False, True]
    assert table["top"][0] == pytest.approx(0.25)
    assert table["right"][0] == pytest.approx(152 / 192)
    assert FrameExchange(table).name != FrameExchange(table[known].assign(left=0.2)).name


def test_undoing_a_calibration_gives_back_what_went_in() -> None:
    calibration = Calibration(method="platt", slope=1.7, intercept=-0.4, fitted_on="nothing")
    for logit in (-12.0, -1.0, 0.0, 3.0, 12.0):
        probability = calibrated(1 / (1 + np.exp(-logit)), calibration)
        assert raw_logit(probability, calibration) == pytest.approx(logit, abs=1e-4)
