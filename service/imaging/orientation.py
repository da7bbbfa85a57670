"""How a picture is to be turned, read from an EXIF block and from nothing else in it."""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ORIENTATION_TAG: Final = 274
_SHORT: Final = 3
_BYTE_ORDERS: Final = {b"II": "<", b"MM": ">"}


def exif_orientation(block: bytes) -> int:
    """Find the orientation, 1 to 8, in an EXIF block; 1 where there is none or the block is broken.

    Only the first directory is looked through, and no value that lies outside it.
    """
    block = block.removeprefix(b"Exif\x00\x00")
    order = _BYTE_ORDERS.get(block[:2])
    if order is None:
        return 1
    try:
        [start] = struct.unpack_from(f"{order}I", block, 4)
        [entries] = struct.unpack_from(f"{order}H", block, start)
        for number in range(entries):
            at = start + 2 + 12 * number
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", block, at)
            if tag == _ORIENTATION_TAG:
                known = (kind, count) == (_SHORT, 1) and 1 <= value <= 8
                return int(value) if known else 1
    except struct.error:
        pass  # it breaks off
    return 1


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn stored pixels of shape (rows, columns) as an EXIF orientation from 1 to 8 says."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.T
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
