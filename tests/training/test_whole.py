from pathlib import Path

import pytest

from training.whole import save_whole


def test_a_file_that_could_be_written_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "card.md"
    target.write_text("old")
    save_whole(lambda path: path.write_text("new"), target)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("card.md", "new")]


def test_a_full_disk_leaves_the_old_one(tmp_path: Path) -> None:
    def half(path: Path) -> None:
        path.write_text("ne")
        raise OSError(28, "No space left on device")

    target = tmp_path / "card.md"
    target.write_text("old")
    with pytest.raises(OSError, match="No space"):
        save_whole(half, target)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("card.md", "old")]
