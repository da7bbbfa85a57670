"""Decoded frames in one memory-mapped file, so that worker processes share them without copies."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from service.files import atomic_write
from service.imaging import InputSpec, Radiograph, prepare
from training.data import Record, read_radiograph

SHORT_SIDE: Final = 448
"""Longer frames are shrunk to this short side, in pixels: over twice any input size."""


class FrameStore:
    """Greyscale frames of a list of records, by position: one flat file and its shapes."""

    def __init__(self, path: Path) -> None:
        """Open a store that ``build`` has made."""
        self.path = path
        self._shapes: list[tuple[int, int]] = json.loads(_shapes_path(path).read_text())
        sizes = [height * width for height, width in self._shapes]
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])
        self._pixels = np.memmap(path, dtype=np.uint8, mode="r")

    @classmethod
    def build(cls, records: Sequence[Record], folder: Path) -> Self:
        """Open the store of these records, decoding them first unless that was done before.

        The file is named by a digest of the records and appears only when it is complete.
        """
        path = folder / f"{_digest(records)}.u8"
        if not path.exists():
            _decode_all(records, path)
        return cls(path)

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Frame ``index``: shape (height, width), uint8, read-only."""
        start, stop = self._offsets[index], self._offsets[index + 1]
        return np.asarray(self._pixels[start:stop]).reshape(self._shapes[index])


def to_tensor(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Prepare a frame with the service's own function: shape (height, width, channels)."""
    return prepare(Radiograph(Image.fromarray(pixels), format="PNG", sha256=""), spec)


def shrink(pixels: NDArray[np.uint8], short_side: int = SHORT_SIDE) -> NDArray[np.uint8]:
    """Scale a frame down, at true aspect ratio, until its short side is ``short_side`` pixels."""
    height, width = pixels.shape
    factor = short_side / min(height, width)
    if factor >= 1:
        return pixels
    size = (round(width * factor), round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _digest(records: Sequence[Record]) -> str:
    lines = "\n".join(record.sha256 for record in records)
    return hashlib.sha256(f"{SHORT_SIDE}\n{lines}".encode()).hexdigest()[:16]


def _shapes_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _decode_all(records: Sequence[Record], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = []
    with atomic_write(path) as temporary:
        with temporary.open("wb") as file:
            for record in track(records, description="Decoding frames"):
                frame = shrink(read_radiograph(record.path).pixels)
                shapes.append(frame.shape)
                file.write(frame.tobytes())
        _shapes_path(path).write_text(json.dumps(shapes))
