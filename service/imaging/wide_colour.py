"""PNG of 16 bits in several channels, of which Pillow keeps the high bytes.

A 12-bit picture has next to nothing in its high bytes. Pillow's decoder also knows the other byte
order, in which the low bytes count as the high ones: with both, all 16 bits are there.
"""

from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from service.imaging.chroma import CHROMA_SIDE, chroma_of_samples
from service.imaging.greyscale import bands
from service.imaging.layout import DamagedError, Samples
from service.imaging.luminance import luminance

_LOW_BYTES: Final = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
_GREY_WITH_OPACITY: Final = "LA;16B"
_FOUR_BYTES: Final = "RGBA"
_ROWS: Final = 32
"""Rows that are converted at a time, at up to 30 bytes a pixel."""


def read_wide_colour(data: bytes) -> Samples:
    """Read a 16-bit PNG of mode RGB, RGBA or LA; opacity is read to 8 bits where it has colours."""
    with Image.open(BytesIO(data), formats=("PNG",)) as image:
        stored = str(image.tile[0].args)
    if stored == _GREY_WITH_OPACITY:
        return _grey_with_opacity(_read(data, _FOUR_BYTES))
    if stored not in _LOW_BYTES:
        raise DamagedError("the header says otherwise than Pillow does")
    picture = _read(data, stored)
    few = (CHROMA_SIDE, CHROMA_SIDE)
    high = np.asarray(picture.resize(few, Image.Resampling.NEAREST)).astype(np.uint16)
    levels = np.empty((picture.height, picture.width), dtype=np.uint16)
    opacity = None
    if picture.mode == "RGBA":
        opacity = np.empty(levels.shape, dtype=np.uint8)
    rows = bands(picture, _ROWS)
    for top, box in rows:
        colours = np.asarray(picture.crop(box))
        levels[top : top + len(colours)] = luminance(colours.astype(np.uint16) * np.uint16(256))
        if opacity is not None:
            opacity[top : top + len(colours)] = colours[..., 3]
    del picture, colours
    picture = _read(data, _LOW_BYTES[stored])
    low = np.asarray(picture.resize(few, Image.Resampling.NEAREST))
    chroma = chroma_of_samples(high * np.uint16(256) + low)
    for top, box in rows:
        colours = np.asarray(picture.crop(box))
        levels[top : top + len(colours)] += luminance(colours)
    return Samples(levels, opacity, chroma=chroma)


def _grey_with_opacity(picture: Image.Image) -> Samples:
    levels = np.empty((picture.height, picture.width), dtype=np.uint16)
    opacity = np.empty_like(levels)
    for top, box in bands(picture, _ROWS):
        pairs = np.ascontiguousarray(picture.crop(box)).view(">u2")
        levels[top : top + len(pairs)] = pairs[..., 0]
        opacity[top : top + len(pairs)] = pairs[..., 1]
    return Samples(levels, opacity)


def _read(data: bytes, raw_mode: str) -> Image.Image:
    """Decode with another order of bytes than the file's; the filters work on bytes anyway."""
    image = Image.open(BytesIO(data), formats=("PNG",))
    image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
    image.load()
    return image
