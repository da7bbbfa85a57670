"""What the headers of an image file say, and the file again without anything else."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.imaging.errors import UnsupportedFormatError
from service.imaging.header import DicomFacts

Levels: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Grey levels as a file stores them.

    Attributes:
        levels: Shape (rows, columns). uint8: from 0 to 255. uint16: the depth is not known yet.
        opacity: Same shape; 0 is transparent, whatever the depth. None: all is opaque.
        white_is_zero: Whether 0 is white.
        chroma: As of a Radiograph, where it was measured.
    """

    levels: Levels
    opacity: Levels | None = None
    white_is_zero: bool = False
    chroma: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """One picture as its container describes it, before any pixel is decoded.

    Attributes:
        width: Columns as stored, in pixels.
        height: Rows as stored, in pixels.
        working_bytes: Most memory that decoding takes beside the file and the finished picture.
        pieces: The file without metadata; joined, they are a complete file again.
        orientation: How to turn the stored picture, as EXIF counts it, from 1 (not at all) to 8.
        several: Whether the file holds more than this picture.
        complete: Whether the file has as many bytes as so many pixels need at the least.
        most_pixels: Limit on width x height for this way of storing them, where it has its own.
        probes: Pieces of files that all decode to the same picture if this one is whole, where only
            decoding can tell.
        level_of_nothing: Grey level that a decoder gives to what is missing at the end; where the
            last pixel has it, probes decide. None: they are decoded in place of the file.
        read_samples: Reads the grey levels where Pillow's own reading would lose or confuse them;
            None where Pillow reads ``pieces`` right.
        header: What the file says of its picture, where its format has words for it.
    """

    width: int
    height: int
    working_bytes: int
    pieces: Sequence[bytes | memoryview]
    orientation: int = 1
    several: bool = False
    complete: bool = True
    most_pixels: int | None = None
    probes: Sequence[Sequence[bytes | memoryview]] = ()
    level_of_nothing: int | None = None
    read_samples: Callable[[], Samples] | None = None
    header: DicomFacts | None = None

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height after turning, in pixels."""
        if self.orientation in {5, 6, 7, 8}:
            return self.height, self.width
        return self.width, self.height

    def variants(self) -> Iterator[bytes]:
        """The file, holding nothing but what its pixels need; or one file for each probe."""
        in_place = self.probes if self.level_of_nothing is None else ()
        return (b"".join(pieces) for pieces in (in_place or [self.pieces]))

    def doubts(self, last_level: int) -> Iterator[bytes]:
        """Files that decode to the same picture, if one whose last pixel is so grey is whole."""
        doubtful = self.level_of_nothing == last_level
        return (b"".join(pieces) for pieces in (self.probes if doubtful else ()))


class DamagedError(Exception):
    """A header contradicts itself or the file's length; for programmers, never for clients."""


def unsupported_pixels(what: str) -> UnsupportedFormatError:
    """The answer to pixels that are stored in a way that is not read here: ``what`` names it."""
    return UnsupportedFormatError(
        f"The image stores its pixels in a way that is not read here: {what}. "
        "Export the radiograph as 8-bit or 16-bit greyscale."
    )
