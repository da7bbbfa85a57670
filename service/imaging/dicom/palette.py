"""Colours of a DICOM palette (PS3.3, C.7.6.3.1.5) as grey levels."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging.chroma import chroma_of
from service.imaging.dicom.dataset import DataSet
from service.imaging.greyscale import from_picture
from service.imaging.layout import Levels, Samples, unsupported_pixels

_DESCRIPTORS: Final = (0x00281101, 0x00281102, 0x00281103)
_DATA: Final = (0x00281201, 0x00281202, 0x00281203)


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """A palette.

    Attributes:
        first: The sample that the first colour is of.
        colours: Shape (n, 3): red, green and blue from 0 to 255.
    """

    first: int
    colours: NDArray[np.uint8]

    def shown(self, samples: Levels) -> Samples:
        """The grey levels of some samples, and how colourful they are."""
        swatch = Image.fromarray(self.colours[None])
        table = np.asarray(from_picture(swatch))[0]
        last = len(table) - 1
        levels = table[np.clip(samples.astype(np.int32) - self.first, 0, last)]
        some = samples[:: max(1, len(samples) // 64), :: max(1, samples.shape[1] // 64)]
        seen = self.colours[np.clip(some.astype(np.int32) - self.first, 0, last)]
        return Samples(levels, chroma=chroma_of(Image.fromarray(seen)))


def read_palette(main: DataSet) -> Palette:
    """Read a palette.

    Raises:
        UnsupportedFormatError: It is missing, in segments, or not of one size.
    """
    described = [main.words(tag) for tag in _DESCRIPTORS]
    if any(len(words) != 3 for words in described) or len(set(described)) != 1:
        raise unsupported_pixels("as a palette that is missing or rare")
    size, first, bits = described[0]
    size = size or 0x10000
    channels = []
    for tag in _DATA:
        raw = main.raw(tag)
        if len(raw) >= 2 * size:
            words = np.array(main.words(tag)[:size], dtype=np.uint16)
            channels.append((words >> 8 if bits > 8 else words).astype(np.uint8))
        elif len(raw) >= size:
            channels.append(np.frombuffer(raw, dtype=np.uint8, count=size))
        else:
            raise unsupported_pixels("as a palette in segments")
    return Palette(first, np.stack(channels, axis=1))
