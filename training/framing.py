"""Framing: how high the lungs stand in the frame, as lung masks tell it.

It tells the classes of the public data apart by itself, though the shape of the lungs does not: it
is a matter of how a radiograph was taken and cropped.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from training.data import DataError

_SIDE: Final = 192
"""Side of the square, in pixels, to which masks are squashed, as frames are."""

_RIM: Final = 0.01
"""Share of the lungs' area that may lie beyond each side of the box: masks have frayed rims."""

_LEAST_AREA: Final = 0.02
"""Share of the frame that lungs cover at least."""


def read_framing(folder: Path, names: Iterable[str]) -> dict[str, float]:
    """Framing of the images that have a lung mask.

    Args:
        folder: Holds ``<name of the file>.png`` for an image: white where the lungs are.
        names: Of images, see ``Record.name``.

    Returns:
        By name of the image, see ``framing_of``. Images without a mask, or whose mask shows next to
        nothing, are left out.

    Raises:
        DataError: The folder holds no mask of any of them, or one that cannot be read.
    """
    paths = {name: folder / f"{Path(name).stem}.png" for name in names}
    found = {name: path for name, path in paths.items() if path.exists()}
    if not found:
        raise DataError(
            f"{folder} holds no lung mask of these images: it wants one PNG for an image, of the "
            "same name."
        )
    framing = {}
    for name, path in track(found.items(), description="Reading lung masks"):
        value = framing_of(_read(path))
        if value is not None:
            framing[name] = value
    return framing


def framing_of(mask: NDArray[np.uint8]) -> float | None:
    """Height over width of the box around the lungs, in shares of the frame's height and width.

    It grows with a wider frame, and with less of neck and belly in it.

    Args:
        mask: Shape (height, width), from 0 to 255.

    Returns:
        None where the mask shows next to nothing.
    """
    lungs = mask > 127
    if lungs.mean() < _LEAST_AREA:
        return None
    width, height = (_extent(lungs.sum(axis=axis)) for axis in (0, 1))
    return height / width


def _extent(along: NDArray[np.int64]) -> float:
    """Share of an axis between the first and the last of the lungs, but for their rims."""
    reached = np.cumsum(along) / along.sum()
    first, last = np.searchsorted(reached, (_RIM, 1 - _RIM))
    return float(last + 1 - first) / len(along)


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=("PNG",)) as mask:
            return np.asarray(mask.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX))
    except OSError as error:
        raise DataError(f"The lung mask {path.name} cannot be read.") from error
