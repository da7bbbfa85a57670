"""Pictures that are turned or negative: put right, and what was found laid back onto them."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Box, Radiograph
from service.lungs.field import LungField

_TRANSPOSITIONS: Final = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True, slots=True)
class Pose:
    """How a picture is changed before it is judged.

    Attributes:
        turns: Quarter turns anticlockwise, from 0 to 3.
        inverted: Whether black and white change places.
    """

    turns: int = 0
    inverted: bool = False

    def square(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """A square picture, shape (side, side, 1), 0 to 1, in this pose."""
        turned = np.rot90(picture, self.turns)
        return np.asarray(1 - turned if self.inverted else turned, dtype=np.float32)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in this pose."""
        return (height, width) if self.turns % 2 else (width, height)

    def radiograph(self, radiograph: Radiograph) -> Radiograph:
        """A radiograph in this pose.

        If it was decoded reduced and is turned, its size is rounded to whole pixels of what was
        decoded.
        """
        picture = radiograph.picture
        full_size = radiograph.full_size
        if self.turns:
            picture = picture.transpose(_TRANSPOSITIONS[self.turns])
        if self.turns and full_size is not None:
            # A reduced picture may end in a half-empty line, which is now on another side.
            reduction = round(radiograph.width / radiograph.picture.width)
            full_size = (picture.width * reduction, picture.height * reduction)
        if self.inverted:
            picture = picture.point([255 - level for level in range(256)])
        return replace(radiograph, picture=picture, full_size=full_size)

    def box_back(self, box: Box) -> Box:
        """A box in this pose, as shares of the picture as it was received."""
        for _ in range(self.turns):
            left, top, right, bottom = box
            box = (1 - bottom, left, 1 - top, right)
        return box

    def maps_back(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps of shape (..., h, w) in this pose, on the picture as it was received."""
        return np.rot90(maps, -self.turns, axes=(-2, -1))

    def field_back(self, field: LungField, width: int, height: int) -> LungField:
        """Lungs that were found in this pose, on the picture as it was received.

        Args:
            field: The lungs.
            width: Of the picture as it was received, in pixels.
            height: Of the same.
        """
        if not self.turns:
            return field
        box = left, top, right, bottom = self.box_back(field.box)
        return replace(
            field,
            box=box,
            box_px=(
                int(left * width),
                int(top * height),
                ceil(right * width),
                ceil(bottom * height),
            ),
            left=np.rot90(field.left, -self.turns),
            right=np.rot90(field.right, -self.turns),
        )


AS_RECEIVED: Final = Pose()
POSES: Final = tuple(Pose(turns, inverted) for inverted in (False, True) for turns in range(4))
"""All of them; that of the file comes first."""
