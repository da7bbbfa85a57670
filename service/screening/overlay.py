"""Pictures for people: the radiograph at the size of a screen, and its class activation map."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Radiograph
from service.screening.explanation import Explanation

LONGEST_SIDE: Final = 1024
"""Pixels of the longer side of a picture; larger radiographs are shrunk to it."""

OPACITY: Final = 0.55
"""Default share of the map's colour where it is strongest: the radiograph stays to be seen."""

FULL_SCALE: Final = 15.0
"""Evidence at which the colours end, as the logit of a frame that were made of such cells alone.

It is the same for all radiographs: a map that was stretched to its own maximum would look as
alarming for healthy lungs as for sick ones.
"""

_QUICK: Final = 1
"""zlib's fastest level: the smaller file of a higher one takes longer to make than to send."""

_FADE: Final = 0.3
"""Share of the scale over which the map fades in, so that weak evidence leaves no hard edge."""

_COLOURS: Final = bytes.fromhex(
    "0d0887 330597 5002a2 6a00a8 8405a7 9c179e b12a90 c33d80 d35171 e16462 ed7953 f68f44 fca634 "
    "fec029 f9dc24 f0f921"
)
"""Every 17th colour of plasma, whose lightness rises evenly (S. van der Walt, N. Smith; CC0)."""


def frame(radiograph: Radiograph, *, longest: int = LONGEST_SIDE) -> Image.Image:
    """The radiograph as a greyscale picture with nothing of its file's metadata.

    Args:
        radiograph: Upright pixels.
        longest: Most pixels of the longer side; smaller radiographs are not enlarged.
    """
    picture = radiograph.picture
    ratio = min(1.0, longest / max(picture.size))
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BOX)


def as_png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG without metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=_QUICK)
    return buffer.getvalue()


def heat_layer(
    heat: NDArray[np.float32], size: tuple[int, int], *, opacity: float = 1.0
) -> Image.Image:
    """Draw a map alone: coloured where it speaks for pneumonia, transparent elsewhere.

    Args:
        heat: Shape (h, w), on a grid that covers the whole frame.
        size: Width and height of the frame, in pixels; the map is upsampled smoothly.
        opacity: Of the strongest evidence, from 0 to 1.

    Returns:
        Picture of mode RGBA.
    """
    density = heat * np.float32(heat.size / FULL_SCALE)
    # Bilinear, for sharper filters overshoot and would colour cells that hold no evidence. Cut off
    # after the interpolation and not before: so the edge of the colours follows no cell.
    smooth = np.asarray(Image.fromarray(density).resize(size, Image.Resampling.BILINEAR))
    levels = Image.fromarray(np.rint(np.clip(smooth, 0, 1) * 255).astype(np.uint8))
    fade = [round(255 * opacity * min(1.0, level / 255 / _FADE)) for level in range(256)]
    channels = [levels.point(list(map(int, channel))) for channel in colour_ramp().T]
    return Image.merge("RGBA", (*channels, levels.point(fade)))


def overlay(
    explanation: Explanation, *, opacity: float = OPACITY, longest: int = LONGEST_SIDE
) -> Image.Image:
    """Lay the mean map over the radiograph.

    Args:
        explanation: What is shown.
        opacity: Of the strongest evidence, from 0 to 1.
        longest: See ``frame``.

    Returns:
        Picture of mode RGB.
    """
    picture = frame(explanation.radiograph, longest=longest).convert("RGB")
    layer = heat_layer(explanation.heat, picture.size, opacity=opacity)
    picture.paste(layer, mask=layer)
    return picture


def colour_ramp() -> NDArray[np.uint8]:
    """The colours from weak to strong evidence, shape (256, 3)."""
    stops = np.frombuffer(_COLOURS, dtype=np.uint8).reshape(-1, 3)
    places = np.linspace(0, len(stops) - 1, 256)
    ramp = [np.interp(places, range(len(stops)), channel) for channel in stops.T]
    return np.rint(np.stack(ramp, axis=1)).astype(np.uint8)
