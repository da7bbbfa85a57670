"""What a film tells of how it was taken, cropped and stored, and nothing of the lungs' tissue."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Box, Radiograph

BOX: Final = ("left", "top", "right", "bottom")
"""The box of the lungs, as shares of the frame."""

SIDES: Final = ("rim_left", "rim_top", "rim_right", "rim_bottom")
"""Mean grey level of the frame's rim, side by side."""

FRAME: Final = (
    *BOX,
    "box_width",
    "box_height",
    *SIDES,
    "corner_top_left",
    "corner_top_right",
    "corner_bottom_left",
    "corner_bottom_right",
    "mean",
    "spread",
    "dark",
    "bright",
    "aspect",
)
"""What the nuisance-only model reads: framing, border, corners, global tone, aspect ratio."""

NUISANCES: Final = (*FRAME, "sharpness", "file_bytes")
"""What the probability is correlated with."""

_RIM: Final = 0.03
_CORNER: Final = 0.1
"""Width of the rim and side of a corner, as shares of the frame's side."""

_SIDE: Final = 224
"""Side of the square to which the frame is squashed before it is measured, in pixels."""


def nuisances(radiograph: Radiograph, box: Box | None, file_bytes: int) -> dict[str, float]:
    """Measure a film.

    Args:
        radiograph: Upright grey levels.
        box: Of its lungs, as shares of the picture, if that is known.
        file_bytes: Size of its file.

    Returns:
        By name, as in ``NUISANCES``: boxes in shares of the frame, grey levels from 0 to 255, the
        shares of pixels below 16 (``dark``) and above 240 (``bright``), width over height, the
        variance of the Laplacian (``sharpness``). Those of the box are NaN without lungs.
    """
    small = radiograph.picture.resize((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    box = box or (float("nan"),) * 4
    rim, corner = round(_RIM * _SIDE), round(_CORNER * _SIDE)
    sides = (pixels[:, :rim], pixels[:rim], pixels[:, -rim:], pixels[-rim:])
    return {
        **dict(zip(BOX, box, strict=True)),
        "box_width": box[2] - box[0],
        "box_height": box[3] - box[1],
        **{name: float(side.mean()) for name, side in zip(SIDES, sides, strict=True)},
        "corner_top_left": float(pixels[:corner, :corner].mean()),
        "corner_top_right": float(pixels[:corner, -corner:].mean()),
        "corner_bottom_left": float(pixels[-corner:, :corner].mean()),
        "corner_bottom_right": float(pixels[-corner:, -corner:].mean()),
        "mean": float(pixels.mean()),
        "spread": float(pixels.std()),
        "dark": float((pixels < 16).mean()),
        "bright": float((pixels > 240).mean()),
        "aspect": radiograph.width / radiograph.height,
        "sharpness": _laplacian_variance(pixels),
        "file_bytes": float(file_bytes),
    }


def _laplacian_variance(pixels: NDArray[np.float32]) -> float:
    inner = -4 * pixels[1:-1, 1:-1]
    inner += pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float(inner.var())
