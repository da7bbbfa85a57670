"""Pictures for people: the radiograph at the size of a screen, and its class activation map."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from service.imaging import Box, Radiograph
from service.screening.explanation import Explanation, Outline

LONGEST_SIDE: Final = 1024
"""Pixels of the longer side of a picture; larger radiographs are shrunk to it."""

OPACITY: Final = 0.55
"""Default share of the map's colour where it is strongest: the radiograph stays to be seen."""

FULL_SCALE: Final = 15.0
"""Evidence at which the colours end, as the logit of a frame that were made of such cells alone.

It is the same for all radiographs: a map that was stretched to its own maximum would look as
alarming for healthy lungs as for sick ones.
"""

OUTLINE: Final = (255, 255, 255, 200)
"""Of the lungs. Without a hue, it cannot be taken for evidence."""

_QUICK: Final = 1
"""zlib's fastest level: the smaller file of a higher one takes longer to make than to send."""

_COARSE: Final = 64
_SEEN: Final = 8
"""Least opacity, of 255, that counts as colour; the page's script uses the same."""

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
        heat: Shape (h, w), on a grid that covers the whole of what is drawn.
        size: Width and height of the drawing, in pixels; the map is upsampled smoothly.
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


def map_layer(
    explanation: Explanation, size: tuple[int, int], *, opacity: float = 1.0, outlines: bool = True
) -> Image.Image:
    """Draw the mean map where it lies on the frame, and the outlines of the lungs.

    Where the bundle finds the lungs, only what lies inside them is coloured: the map's cells are
    coarse and overlap their edge. The verdict says how much of the evidence lies inside.

    Args:
        explanation: What is shown.
        size: Width and height of the frame, in pixels.
        opacity: Of the strongest evidence, from 0 to 1.
        outlines: Whether the lungs are outlined.

    Returns:
        Picture of mode RGBA.
    """
    lungs = explanation.lungs
    if lungs is None:
        return heat_layer(explanation.heat, size, opacity=opacity)
    layer, inside = Image.new("RGBA", size), Image.new("L", size)
    place, extent = _pixels(explanation.covers, size)
    layer.paste(heat_layer(explanation.heat, extent, opacity=opacity), place)
    mask = Image.fromarray(lungs.field.dilated.astype(np.uint8) * 255)
    place, extent = _pixels(lungs.film, size)
    inside.paste(mask.resize(extent, Image.Resampling.BILINEAR), place)
    layer.putalpha(ImageChops.multiply(layer.getchannel("A"), inside))
    if outlines:
        _draw_outlines(layer, lungs.outlines)
    return layer


def is_coloured(explanation: Explanation) -> bool:
    """Whether any colour of a map can be seen: evidence may be faint, or outside the lungs."""
    layer = map_layer(explanation, (_COARSE, _COARSE), outlines=False)
    strongest = layer.getchannel("A").getextrema()[1]
    return isinstance(strongest, int | float) and strongest >= _SEEN


def overlay(
    explanation: Explanation,
    *,
    opacity: float = OPACITY,
    longest: int = LONGEST_SIDE,
    outlines: bool = True,
) -> Image.Image:
    """Lay the mean map and the lungs' outlines over the radiograph.

    Args:
        explanation: What is shown.
        opacity: Of the strongest evidence, from 0 to 1.
        longest: See ``frame``.
        outlines: See ``map_layer``.

    Returns:
        Picture of mode RGB.
    """
    picture = frame(explanation.radiograph, longest=longest).convert("RGB")
    layer = map_layer(explanation, picture.size, opacity=opacity, outlines=outlines)
    picture.paste(layer, mask=layer)
    return picture


def _pixels(box: Box, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Upper left corner and size, in pixels, of a box given as shares of a picture."""
    left, top, right, bottom = (round(share * size[axis % 2]) for axis, share in enumerate(box))
    return (left, top), (max(right - left, 1), max(bottom - top, 1))


def _draw_outlines(layer: Image.Image, outlines: Sequence[Outline]) -> None:
    width, height = layer.size
    pen = ImageDraw.Draw(layer)
    thickness = max(1, round(max(layer.size) / 500))
    for _, points in outlines:
        line = [(x * width, y * height) for x, y in (*points, points[0])]
        pen.line(line, fill=OUTLINE, width=thickness, joint="curve")


def colour_ramp() -> NDArray[np.uint8]:
    """The colours from weak to strong evidence, shape (256, 3)."""
    stops = np.frombuffer(_COLOURS, dtype=np.uint8).reshape(-1, 3)
    places = np.linspace(0, len(stops) - 1, 256)
    ramp = [np.interp(places, range(len(stops)), channel) for channel in stops.T]
    return np.rint(np.stack(ramp, axis=1)).astype(np.uint8)
