"""Pixels of every kind to grey levels from 0 to 255: depth, opacity and colour."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from service.imaging.inks import has_inverted_inks
from service.imaging.layout import Levels, Samples

DEPTHS: Final = range(8, 17)
STRAY_SHARE: Final = 0.02
"""Share of all pixels that may be brighter than a depth allows: hot pixels, burned-in letters."""

PADDING_SHARE: Final = 0.5
"""Share that may, where all of them have one of a few values: markers, padding."""

PADDING_VALUES: Final = 4
"""How many values that may be: a marker, and a padding that is another on each side."""

BAND: Final = 256
"""Rows that are converted at a time."""

DEEP_MODES: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
EIGHT_BIT_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK"})


def bands(picture: Image.Image, rows: int = BAND) -> list[tuple[int, tuple[int, int, int, int]]]:
    """The top row and the box of each band of so many rows of a picture."""
    tops = range(0, picture.height, rows)
    return [(top, (0, top, picture.width, min(top + rows, picture.height))) for top in tops]


def depth_in_use(counts: NDArray[np.int64]) -> int:
    """Bits that the samples of a 16-bit file use, from 8 to 16.

    Detectors deliver 10 to 14 bits in a 16-bit file, and no header says so. The depth is the
    smallest that holds the samples, but for a few stray ones and for padding.

    Args:
        counts: How often each value from 0 to 65,535 is found.
    """
    pixels = counts.sum()
    for depth in DEPTHS:
        above = counts[1 << depth :]
        if not above.size:
            break
        commonest = np.partition(above, -PADDING_VALUES)[-PADDING_VALUES:].sum()
        if commonest <= PADDING_SHARE * pixels and above.sum() - commonest <= STRAY_SHARE * pixels:
            return depth
    return 16


def deep_table(counts: NDArray[np.int64], *, white_is_zero: bool) -> NDArray[np.uint8]:
    """The grey level of each value of a 16-bit sample; ``counts`` as for ``depth_in_use``."""
    top = (1 << depth_in_use(counts)) - 1
    ramp = np.minimum(np.arange(0x10000), top) * (255 / top)
    return np.rint(255 - ramp if white_is_zero else ramp).astype(np.uint8)


def from_samples(samples: Samples) -> Image.Image:
    """Scale to 8 bits and lay transparent areas over black. Returns a picture of mode L."""
    levels = samples.levels
    tops = range(0, len(levels), BAND)
    if levels.dtype == np.uint16:
        counts = histogram(levels[top : top + BAND] for top in tops)
        table = deep_table(counts, white_is_zero=samples.white_is_zero)
    elif samples.white_is_zero:
        table = np.arange(255, -1, -1, dtype=np.uint8)
    else:
        table = np.arange(256, dtype=np.uint8)
    grey = np.empty(levels.shape, dtype=np.uint8)
    opacity = _meaningful(samples.opacity)
    opaque = 0 if opacity is None else (1 << int(opacity.max()).bit_length()) - 1
    for top in tops:
        band = slice(top, top + BAND)
        grey[band] = table[levels[band]]
        if opacity is not None:
            grey[band] = np.rint(grey[band] * (opacity[band] / np.float32(opaque)))
    return Image.fromarray(grey)


def from_deep_picture(picture: Image.Image) -> Image.Image:
    """Scale a 16-bit grey picture of Pillow's. Returns a picture of mode L."""
    counts = histogram(np.asarray(picture.crop(box)) for _, box in bands(picture))
    table = deep_table(counts, white_is_zero=False)
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        table[transparent] = 0
    grey = np.empty((picture.height, picture.width), dtype=np.uint8)
    for top, box in bands(picture):
        grey[top : top + BAND] = table[np.asarray(picture.crop(box)).astype(np.uint16, copy=False)]
    return Image.fromarray(grey)


def from_picture(picture: Image.Image) -> Image.Image:
    """Convert an 8-bit picture of Pillow's to mode L, with nothing of the file's metadata."""
    if picture.mode == "L" and "transparency" not in picture.info:
        levels = picture.copy()
        levels.info = {}  # all that a copy takes along of what the file said
        return levels
    see_through = _is_partly_transparent(picture)
    negative = picture.mode == "CMYK" and has_inverted_inks(picture)
    levels = Image.new("L", picture.size)
    # Conversions hold several copies of what they convert, of four bytes a pixel: a band at a time,
    # so that the picture itself is the largest thing in memory.
    for top, box in bands(picture):
        band = picture.crop(box)
        if negative:
            band = ImageChops.invert(band)
        levels.paste(_flatten(band, see_through=see_through), (0, top))
    return levels


def last_level(picture: Image.Image) -> int:
    """Grey level, or first channel, of the pixel that is decoded last."""
    right, bottom = picture.size
    [level, *_] = picture.crop((right - 1, bottom - 1, right, bottom)).tobytes()
    return level


def histogram(pieces: Iterable[Levels]) -> NDArray[np.int64]:
    """How often each value from 0 to 65,535 is found in some samples."""
    counts = np.zeros(0x10000, dtype=np.int64)
    for piece in pieces:
        counts += np.bincount(piece.ravel(), minlength=0x10000)
    return counts


def _meaningful(
    opacity: Levels | None,
) -> Levels | None:
    """None for an opacity that is the same everywhere: 0 all over means that nobody set it."""
    return None if opacity is None or opacity.min() == opacity.max() else opacity


def _is_partly_transparent(picture: Image.Image) -> bool:
    """Tell whether the opacity of a picture differs from place to place."""
    if picture.mode in {"LA", "RGBA"}:
        lowest, highest = picture.getextrema()[-1]  # type: ignore[misc]
        return bool(lowest != highest)
    transparent = picture.info.get("transparency")
    if picture.mode == "P" and transparent is not None:
        used = [index for index, count in enumerate(picture.histogram()[:256]) if count]
        if isinstance(transparent, bytes):
            return len({transparent.ljust(256, b"\xff")[index] for index in used}) > 1
        return len(used) > 1
    return transparent is not None


def _flatten(band: Image.Image, *, see_through: bool) -> Image.Image:
    """Convert a piece of a picture that is not just grey to mode L, transparency over black."""
    if band.mode == "P":
        band = band.convert("RGBA" if "transparency" in band.info else "RGB")
    if not see_through:
        return band.convert("L")
    rgba = band.convert("RGBA")
    return ImageChops.multiply(rgba.convert("L"), rgba.getchannel("A"))
