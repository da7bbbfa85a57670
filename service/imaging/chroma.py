"""How much colour a picture has: a radiograph has none, a photograph of a screen has some."""

from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

_COLOURED: Final = frozenset({"P", "RGB", "RGBA", "CMYK", "YCbCr"})
_SIDE: Final = 64
_NEUTRAL: Final = 128


def chroma_of(picture: Image.Image) -> float:
    """Measure the colour of a picture of 8 bits.

    Returns:
        Mean distance of 64 x 64 samples from grey, in levels of Cb and Cr (ITU-R 601-2): from 0 to
        about 180.
    """
    if picture.mode not in _COLOURED:
        return 0.0
    small = picture.resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    if small.mode == "P":
        small = small.convert("RGBA")  # a palette with opacity has no other way to colours
    samples = np.asarray(small.convert("RGB").convert("YCbCr"), dtype=np.float32)
    return float(np.hypot(*(samples[..., 1:] - _NEUTRAL).transpose(2, 0, 1)).mean())


def chroma_of_jpeg(file: bytes) -> float:
    """``chroma_of`` a JPEG at an eighth of its size, which costs next to nothing."""
    with Image.open(BytesIO(file), formats=("JPEG",)) as image:
        image.draft("YCbCr", (_SIDE, _SIDE))
        return chroma_of(image)
