"""What the segmentation network is fitted on: whole frames and lung masks as small squares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from training.data.records import DataError, Record, read_radiograph

FRAME_SIDE: Final = 224
MASK_SIDE: Final = 192

ASPECT_TOLERANCE: Final = 0.03
"""Share by which the aspect ratio of a mask may differ from its film's: masks are whole pixels."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """Films that have a lung mask, frame and mask squashed alike.

    Attributes:
        records: N films.
        frames: Shape (N, 224, 224), uint8.
        masks: Shape (N, 192, 192), uint8; 255 is lung.
        without_mask: Names of the films that have none.
        of_another_size: Names of the films whose mask has another aspect ratio than the film.
    """

    records: Sequence[Record]
    frames: Pixels
    masks: Pixels
    without_mask: tuple[str, ...] = ()
    of_another_size: tuple[str, ...] = ()

    def report(self) -> str:
        """What was left out, in a sentence or two."""
        parts = [f"{len(self.records)} films have a lung mask."]
        for names, what in (
            (self.without_mask, "have none"),
            (self.of_another_size, "have one of another aspect ratio, which is not used"),
        ):
            if names:
                more = ", ..." if len(names) > 5 else ""
                parts.append(f"{len(names)} {what}: {', '.join(names[:5])}{more}.")
        return " ".join(parts)


def read_squares(
    records: Sequence[Record], masks: Path, sizes: Mapping[str, tuple[int, int]] | None = None
) -> Squares:
    """Read the films of a source that have a mask.

    Args:
        records: The films.
        masks: Folder with a PNG for each, of the same name; white is lung.
        sizes: Width and height of the original films by name without suffix, where the records
            are squashed copies; without it the films themselves are measured.

    Raises:
        DataError: There is no mask at all, or one that cannot be read.
    """
    used, frames, lungs, missing, odd = [], [], [], [], []
    for record in track(records, description="Reading films and lung masks"):
        path = masks / f"{Path(record.name).stem}.png"
        if not path.exists():
            missing.append(record.name)
            continue
        picture = read_radiograph(record.path).picture
        mask = _read(path)
        width, height = (sizes or {}).get(Path(record.name).stem, picture.size)
        if abs(mask.width * height / (mask.height * width) - 1) > ASPECT_TOLERANCE:
            odd.append(record.name)
            continue
        used.append(record)
        frames.append(np.asarray(picture.resize((FRAME_SIDE, FRAME_SIDE))))
        lungs.append(np.asarray(mask.resize((MASK_SIDE, MASK_SIDE), Image.Resampling.BOX)))
    if not used:
        raise DataError(
            f"{masks} holds no lung mask of these films: it wants one PNG for a film, of the same "
            "name and aspect ratio."
        )
    return Squares(used, np.stack(frames), np.stack(lungs), tuple(missing), tuple(odd))


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=("PNG",)) as mask:
            return mask.convert("L")
    except OSError as error:
        raise DataError(f"The lung mask {path.name} cannot be read.") from error
