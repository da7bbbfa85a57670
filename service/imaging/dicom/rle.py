"""RLE compression of DICOM (PS3.5, annex G): bytes of a pixel in segments, each packed."""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.imaging.layout import DamagedError

_HEADER: Final = 64
_MOST_SEGMENTS: Final = 15


def decode_rle(frame: bytes, pixels: int, planes: int) -> NDArray[np.uint8]:
    """Unpack the segments.

    Args:
        frame: Its header and segments.
        pixels: How many bytes each segment has when unpacked.
        planes: How many segments there must be.

    Returns:
        Shape (planes, pixels), in the order of the file: of samples of 16 bits, high bytes first.

    Raises:
        DamagedError: Other segments than that, or one that breaks off.
    """
    segments, *offsets = struct.unpack_from("<16I", frame)
    if segments != planes or segments > _MOST_SEGMENTS:
        raise DamagedError("another number of segments than the pixels have bytes")
    ends = [*offsets[1:segments], len(frame)]
    unpacked = np.empty((planes, pixels), dtype=np.uint8)
    for plane, start, end in zip(unpacked, offsets, ends, strict=False):
        if not _HEADER <= start <= end <= len(frame):
            raise DamagedError("segments out of order")
        plane[:] = np.frombuffer(_unpack(frame[start:end], pixels), dtype=np.uint8)
    return unpacked


def _unpack(packed: bytes, wanted: int) -> bytearray:
    """PackBits, as far as so many bytes."""
    unpacked = bytearray()
    at, end = 0, len(packed) - 1
    while at < end and len(unpacked) < wanted:
        length = packed[at]
        if length < 128:
            unpacked += packed[at + 1 : at + 2 + length]
            at += 2 + length
        else:
            if length > 128:
                unpacked += packed[at + 1 : at + 2] * (257 - length)
                at += 1
            at += 1
    if len(unpacked) < wanted:
        raise DamagedError("a segment that breaks off")
    del unpacked[wanted:]
    return unpacked
