"""How a picture is to be turned, read from an EXIF block and from nothing else in it."""

import struct
from typing import Final

from PIL import Image

_ORIENTATION_TAG: Final = 274
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""Types that writers use for it: the standard asks for the short one."""

_BYTE_ORDERS: Final = {b"II": "<", b"MM": ">"}

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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
            tag, kind, count = struct.unpack_from(f"{order}HHI", block, at)
            if tag == _ORIENTATION_TAG:
                if kind not in _INTEGERS or count != 1:
                    return 1
                [value] = struct.unpack_from(f"{order}{_INTEGERS[kind]}", block, at + 8)
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass  # it breaks off
    return 1


def turn_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn a stored picture as an EXIF orientation from 1 to 8 says; 1 is the picture itself."""
    turn = _TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)
