"""Lung masks: where the lungs lie on a radiograph, as a box that a network can learn to find."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from training.data import DataError, Record

SIDE: Final = 192
"""Side of the square, in pixels, to which masks are squashed."""

_RIM: Final = 0.01
"""Share of the lungs' area that may lie beyond each side of the box: masks have frayed rims."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class LungMasks:
    """Masks by the name of their image (see ``Record.name``), squashed to a square like frames.

    Attributes:
        masks: Shape (SIDE, SIDE), uint8: 255 where the lungs are, 0 elsewhere.
    """

    masks: dict[str, Mask]

    @classmethod
    def read(cls, folder: Path, names: Iterable[str]) -> Self:
        """Read the masks of images by their names: ``folder/<name of the file>.png``.

        Raises:
            DataError: The folder holds no mask of any of them, or one that cannot be read.
        """
        masks = {}
        for name in track(list(names), description="Reading lung masks"):
            path = folder / f"{Path(name).stem}.png"
            if path.exists():
                masks[name] = _read(path)
        if not masks:
            raise DataError(
                f"{folder} holds no lung mask of these images: it wants one PNG for an image, of "
                "the same name."
            )
        return cls(masks)

    def framing(self, name: str) -> float:
        """Height over width of the lungs of an image in the squashed frame.

        It grows with a wider frame, and with less of neck and belly in it: it tells how the
        radiograph was taken. NaN where there is no mask.
        """
        box = box_of(self.masks[name]) if name in self.masks else None
        return float("nan") if box is None else float(box[3] / box[2])

    @property
    def digest(self) -> str:
        """``sha256:...`` over names and masks."""
        digest = hashlib.sha256()
        for name in sorted(self.masks):
            digest.update(f"{name}\n".encode() + self.masks[name].tobytes())
        return f"sha256:{digest.hexdigest()}"

    def of(self, records: Sequence[Record]) -> list[Record]:
        """Those of the records that have a mask."""
        return [record for record in records if record.name in self.masks]


def box_of(mask: Mask) -> NDArray[np.float32] | None:
    """Smallest box along the axes around the lungs.

    Args:
        mask: Shape (height, width), from 0 to 255.

    Returns:
        Column and row of the centre, width and height, each in shares of the frame; None where the
        mask shows next to nothing.
    """
    lungs = mask > 127
    if lungs.mean() < 0.02:
        return None
    edges = []
    for axis in (0, 1):
        along = np.cumsum(lungs.sum(axis=axis)) / lungs.sum()
        first, last = np.searchsorted(along, (_RIM, 1 - _RIM))
        edges.append((first / len(along), (last + 1) / len(along)))
    (left, right), (top, bottom) = edges
    return np.array(
        [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], dtype=np.float32
    )


def overlap(box: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes, each as ``box_of`` gives it."""
    both = 1.0
    for axis in (0, 1):
        low = max(each[axis] - each[2 + axis] / 2 for each in (box, other))
        high = min(each[axis] + each[2 + axis] / 2 for each in (box, other))
        both *= max(0.0, float(high - low))
    areas = sum(float(each[2] * each[3]) for each in (box, other))
    return both / (areas - both)


def _read(path: Path) -> Mask:
    try:
        with Image.open(path, formats=("PNG",)) as mask:
            return np.asarray(mask.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
    except OSError as error:
        raise DataError(f"The lung mask {path.name} cannot be read.") from error
