"""Masks are found by their image's name, and boxes lie around the lungs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import DataError, scan
from training.lungs import SIDE, LungMasks, box_of, overlap


def mask(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    drawn = np.zeros((100, 200), dtype=np.uint8)
    drawn[top:bottom, left:right] = 255
    return drawn


def names_of(data_set: Path) -> list[str]:
    return [record.name for record in scan(data_set / "train").records]


def write_mask(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(mask(20, 80, 50, 150)).save(folder / name)


def test_a_box_lies_around_the_lungs_in_shares_of_the_frame() -> None:
    box = box_of(mask(20, 80, 50, 150))
    assert box is not None
    np.testing.assert_allclose(box, [0.5, 0.5, 0.5, 0.6], atol=0.02)


def test_a_few_stray_pixels_do_not_widen_the_box() -> None:
    frayed = mask(20, 80, 50, 150)
    frayed[50, :10] = 255
    box = box_of(frayed)
    assert box is not None
    assert box[2] < 0.52


def test_a_mask_without_lungs_has_no_box() -> None:
    assert box_of(mask(0, 10, 0, 10)) is None


def test_framing_is_the_height_over_the_width_in_the_squashed_frame() -> None:
    masks = LungMasks({"NORMAL/a.jpeg": mask(20, 80, 50, 150)})
    assert masks.framing("NORMAL/a.jpeg") == pytest.approx(1.2, abs=0.05)
    assert np.isnan(masks.framing("NORMAL/b.jpeg"))


def test_overlap_is_one_for_equal_boxes_and_none_for_separate_ones() -> None:
    box = np.array([0.5, 0.5, 0.4, 0.4], dtype=np.float32)
    assert overlap(box, box) == pytest.approx(1)
    half = np.array([0.5, 0.4, 0.4, 0.2], dtype=np.float32)
    assert overlap(box, half) == pytest.approx(0.5, abs=1e-6)
    assert overlap(box, np.array([0.1, 0.5, 0.2, 0.4], dtype=np.float32)) == 0


def test_masks_are_matched_by_name_and_squashed(data_set: Path, tmp_path: Path) -> None:
    names = names_of(data_set)
    write_mask(tmp_path / "masks", "IM-0001-0001.png")
    write_mask(tmp_path / "masks", "of-nobody.png")
    found = LungMasks.read(tmp_path / "masks", names)
    assert list(found.masks) == ["NORMAL/IM-0001-0001.jpeg"]
    assert found.masks["NORMAL/IM-0001-0001.jpeg"].shape == (SIDE, SIDE)
    assert [record.name for record in found.of(scan(data_set / "train").records)] == [
        "NORMAL/IM-0001-0001.jpeg"
    ]


def test_the_digest_tells_masks_apart(data_set: Path, tmp_path: Path) -> None:
    names = names_of(data_set)
    write_mask(tmp_path / "masks", "IM-0001-0001.png")
    one = LungMasks.read(tmp_path / "masks", names).digest
    assert LungMasks.read(tmp_path / "masks", names).digest == one
    write_mask(tmp_path / "masks", "IM-0002-0001.png")
    assert LungMasks.read(tmp_path / "masks", names).digest != one


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_a_damaged_mask_is_named(data_set: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "IM-0001-0001.png").write_bytes(content)
    with pytest.raises(DataError, match=r"IM-0001-0001\.png cannot be read"):
        LungMasks.read(tmp_path, names_of(data_set))


def test_a_folder_without_masks_says_what_it_should_hold(data_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no lung mask of these images"):
        LungMasks.read(tmp_path, names_of(data_set))
