"""Dice of masks whose overlap is known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.imaging import Radiograph
from service.lungs import find_lungs
from tests.lungs.drawn import as_probabilities, ellipse, two_lungs
from tests.training.evaluation.made_up import write_films
from training.evaluation.films import read_folder
from training.evaluation.pipeline import Lungs, MaskFolder
from training.evaluation.segmentation import (
    between_lungs,
    compare,
    contact_sheet,
    dice,
    dice_figures,
)


def test_dice_of_known_overlaps() -> None:
    one, other = np.zeros((10, 10), dtype=bool), np.zeros((10, 10), dtype=bool)
    one[:, :4] = other[:, 2:6] = True
    assert dice(one, one) == 1.0
    assert dice(one, other) == 0.5
    assert dice(one, ~one) == 0.0
    ignored = np.zeros((10, 10), dtype=bool)
    ignored[:, 4:] = True
    assert dice(one, other, ignored) == pytest.approx(2 * 20 / (40 + 20))
    assert dice(~(one | ~one), ~(one | ~one)) == 1.0


def test_the_gap_lies_between_the_lungs_and_leaves_them_alone() -> None:
    lungs = two_lungs()
    gap = between_lungs(lungs)
    assert not (gap & lungs).any()
    heart = ellipse(0.5, 0.6, 0.06, 0.1)
    assert (gap & heart).sum() == (heart & ~lungs).sum()
    # Neither what lies beside the lungs nor what lies above and below them is ignored.
    assert not gap[:, : 192 // 8].any()
    rows = np.flatnonzero(lungs.any(axis=1))
    assert not gap[: rows[0]].any()
    assert not gap[rows[-1] + 1 :].any()
    assert not between_lungs(np.zeros((20, 20), dtype=bool)).any()


def test_a_mask_that_counts_the_heart_is_not_blamed_for_it() -> None:
    truth = two_lungs()
    found = truth | (ellipse(0.5, 0.6, 0.2, 0.15) & between_lungs(truth))
    assert dice(found, truth) < 0.96
    assert dice(found, truth, between_lungs(truth)) == 1.0


class Drawn:
    """Finds the same lungs in every film but those named, in which it finds none."""

    def __init__(self, *blank: str) -> None:
        self._blank = blank

    def lungs(self, file: str, radiograph: Radiograph) -> Lungs | None:
        if file in self._blank:
            return None
        field = find_lungs(
            as_probabilities(two_lungs(rx=0.13)), radiograph.width, radiograph.height
        )
        return Lungs(field, field.box) if field else None


def test_films_are_compared_by_group_and_the_worst_are_shown(tmp_path: Path) -> None:
    root = write_films(tmp_path / "set", {"NORMAL": 2, "TB": 3})
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.fromarray(two_lungs()).save(masks / "001.png")
    Image.fromarray(two_lungs(rx=0.13)).save(masks / "002.png")
    films, finder, truth = read_folder(root).films, Drawn("TB/002.png"), MaskFolder(masks)
    overlaps, left_out = compare(films, lambda _film: finder, truth)
    found = dice_figures(overlaps, left_out)
    assert left_out == {"no mask": ["TB/003.png"]}
    assert found["left_out"] == {"no mask": 1}
    assert (found["all"]["films"], found["all"]["not_found"]) == (4, 1)
    assert found["normal"]["mean"] == pytest.approx((1 + 0.93) / 2, abs=0.01)
    assert found["tb"]["mean"] == pytest.approx(0.93 / 2, abs=0.01)
    assert found["worst"][0] == {"file": "TB/002.png", "dice": 0.0}
    sheet = tmp_path / "run" / "sheet.png"
    contact_sheet(overlaps, lambda _film: finder, truth, sheet)
    with Image.open(sheet) as picture:
        colours = {colour for _, colour in picture.getcolors(2**20) or ()}
    assert {(255, 0, 0), (0, 255, 0)} <= colours
