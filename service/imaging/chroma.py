"""How much colour a picture has: a radiograph has none, a photograph of a screen has some."""

from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from service.imaging.layout import Levels

_COLOURED: Final = frozenset({"P", "RGB", "RGBA", "CMYK"})
CHROMA_SIDE: Final = 64
"""Samples on a side by which colour is measured."""

_NEUTRAL: Final = 128


def chroma_of(picture: Image.Image) -> float:
    """Measure the colour of a picture of 8 bits.

    Returns:
        Mean distance of 64 x 64 samples from grey, in levels of Cb and Cr (ITU-R 601-2): from 0 to
        about 180.
    """
    if picture.mode not in _COLOURED:
        return 0.0
    small = picture.resize((CHROMA_SIDE, CHROMA_SIDE), Image.Resampling.NEAREST)
    if small.mode == "P":
        small = small.convert("RGBA")  # a palette with opacity has no other way to colours
    samples = np.asarray(small.convert("RGB").convert("YCbCr"), dtype=np.float32)
    return float(np.hypot(*(samples[..., 1:] - _NEUTRAL).transpose(2, 0, 1)).mean())


def chroma_of_samples(colours: Levels) -> float:
    """``chroma_of`` samples of red, green and blue, of shape (rows, columns, 3 or more).

    Of 16 bits, as many count as the largest sample has.
    """
    colours = colours[..., :3]
    if colours.dtype == np.uint16:
        top = max(255, (1 << int(colours.max(initial=0)).bit_length()) - 1)
        colours = np.rint(colours * (255 / top)).astype(np.uint8)
    return chroma_of(Image.fromarray(np.ascontiguousarray(colours)))


def chroma_of_jpeg(file: bytes) -> float:
    """``chroma_of`` a JPEG at an eighth of its size, which costs next to nothing."""
    with Image.open(BytesIO(file), formats=("JPEG",)) as image:
        # Not as YCbCr, into which libjpeg turns none that stores red, green and blue as they are.
        image.draft("RGB", (CHROMA_SIDE, CHROMA_SIDE))
        return chroma_of(image)
