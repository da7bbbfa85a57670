"""The store gives back each frame, is built once, and leaves nothing half-built."""

from pathlib import Path

import numpy as np
import pytest

from service.imaging import InputSpec
from training import frames
from training.data import read_radiograph, scan
from training.frames import FrameStore, shrink, to_tensor


def test_frames_come_back_as_they_were_decoded(tmp_path: Path, data_set: Path) -> None:
    records = scan(data_set / "train").records
    store = FrameStore.build(records, tmp_path)
    assert len(store) == len(records)
    for index in (0, 7, len(records) - 1):
        assert np.array_equal(store[index], read_radiograph(records[index].path).pixels)


def test_a_second_build_decodes_nothing(
    tmp_path: Path, data_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = scan(data_set / "train").records
    FrameStore.build(records, tmp_path)
    monkeypatch.setattr(frames, "read_radiograph", lambda path: pytest.fail(f"decoded {path}"))
    FrameStore.build(records, tmp_path)


def test_an_interrupted_build_leaves_nothing(
    tmp_path: Path, data_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frames, "read_radiograph", full_disk)
    with pytest.raises(OSError, match="No space"):
        FrameStore.build(scan(data_set / "train").records, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_large_frames_shrink_at_true_aspect() -> None:
    assert shrink(np.zeros((900, 1200), np.uint8)).shape == (448, 597)
    assert shrink(np.zeros((300, 400), np.uint8)).shape == (300, 400)


def test_a_frame_becomes_the_services_tensor() -> None:
    tensor = to_tensor(np.full((80, 60), 51, np.uint8), InputSpec(height=32, width=32))
    assert tensor.shape == (32, 32, 1)
    np.testing.assert_allclose(tensor, 0.2, atol=1e-6)
