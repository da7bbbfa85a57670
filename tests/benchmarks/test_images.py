from pathlib import Path

import pytest

from benchmarks.images import MAX_FILES, mixed_items, radiographs
from service.imaging import ImagingError, decode
from tests.phantom import phantom


def test_a_folder_is_sampled(tmp_path: Path) -> None:
    for number in range(60):
        phantom(0, (64, 48)).save(tmp_path / f"{number:02}.png")
    (tmp_path / "notes.txt").write_text("no image")
    items = radiographs(tmp_path)
    assert len(items) == MAX_FILES
    assert not any("txt" in item.name or item.name.startswith("0") for item in items)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        radiographs(tmp_path)


def test_mixed_items_hold_valid_and_invalid_files(tmp_path: Path) -> None:
    for number in range(5):
        phantom(number, (640, 480)).save(tmp_path / f"{number}.jpeg")
    items = mixed_items(radiographs(tmp_path))
    assert len({item.name for item in items}) == len(items)
    for item in items:
        if item.status == 200:
            assert decode(item.data).pixels.size
        else:
            with pytest.raises(ImagingError):
                decode(item.data)
