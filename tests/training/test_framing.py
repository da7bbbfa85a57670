"""Masks are found by their image's name, and tell how high the lungs stand in the frame."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from training.__main__ import app
from training.data import DataError
from training.framing import framing_of, read_framing

NAMES = ["NORMAL/IM-0001-0001.jpeg", "PNEUMONIA/person1_virus_1.jpeg"]


def mask(top: int, bottom: int, left: int, right: int) -> NDArray[np.uint8]:
    drawn = np.zeros((100, 200), dtype=np.uint8)
    drawn[top:bottom, left:right] = 255
    return drawn


def test_framing_is_height_over_width_in_shares_of_the_frame() -> None:
    # 60 of 100 rows, 100 of 200 columns
    assert framing_of(mask(20, 80, 50, 150)) == pytest.approx(1.2, abs=0.03)


def test_less_of_neck_and_belly_makes_it_larger() -> None:
    shown = mask(20, 80, 50, 150)
    whole, cropped = framing_of(shown), framing_of(shown[10:90])
    assert whole is not None
    assert cropped is not None
    assert cropped == pytest.approx(whole / 0.8, rel=0.03)


def test_a_few_stray_pixels_change_nothing() -> None:
    frayed = mask(20, 80, 50, 150)
    frayed[50, :10] = 255
    assert framing_of(frayed) == pytest.approx(1.2, abs=0.03)


def test_a_mask_without_lungs_has_no_framing() -> None:
    assert framing_of(mask(0, 10, 0, 10)) is None


def test_masks_are_matched_by_name(tmp_path: Path) -> None:
    for name in ("IM-0001-0001.png", "of-nobody.png"):
        Image.fromarray(mask(20, 80, 50, 150)).save(tmp_path / name)
    Image.fromarray(mask(0, 1, 0, 1)).save(tmp_path / "person1_virus_1.png")
    framing = read_framing(tmp_path, NAMES)
    assert framing == {NAMES[0]: pytest.approx(1.2, abs=0.03)}


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_damaged_mask_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "IM-0001-0001.png").write_bytes(content)
    with pytest.raises(DataError, match=r"IM-0001-0001\.png cannot be read"):
        read_framing(tmp_path, NAMES)


def test_a_folder_without_masks_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no lung mask of these images"):
        read_framing(tmp_path, NAMES)


def test_the_first_look_measures_it_where_there_are_masks(data_set: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for number, path in enumerate(sorted(data_set.glob("train/*/*"))[1:]):
        tall = 80 if path.parent.name == "PNEUMONIA" else 60 + number % 3
        Image.fromarray(mask(10, 10 + tall, 50, 150)).save(masks / f"{path.stem}.png")
    arguments = ["eda", "--data", data_set, "--masks", masks, "--runs", tmp_path / "runs"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    report = (tmp_path / "runs/eda/report.md").read_text()
    assert "| framing | 41 | 1.0 |" in report
