"""The orientation is found in sound EXIF blocks, and nothing in broken ones is followed."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from service.imaging.orientation import exif_orientation, turn_upright


def block(value: int, order: str = "<", kind: int = 3, count: int = 1, entries: int = 1) -> bytes:
    mark = b"II*\x00" if order == "<" else b"MM\x00*"
    code = {1: "B", 4: "I", 6: "b", 8: "h", 9: "i"}.get(kind, "H")
    number = struct.pack(f"{order}{code}", value).ljust(4, b"\x00")
    entry = struct.pack(f"{order}HHI", 274, kind, count) + number
    return mark + struct.pack(f"{order}IH", 8, entries) + entry


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4, 6, 8, 9])
@pytest.mark.parametrize("value", range(1, 9))
def test_it_is_read_in_both_byte_orders(order: str, kind: int, value: int) -> None:
    assert exif_orientation(block(value, order, kind)) == value
    assert exif_orientation(b"Exif\x00\x00" + block(value, order, kind)) == value


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"II",
        b"XX*\x00\x08\x00\x00\x00",
        block(9),
        block(0),
        block(6, kind=5),
        block(6, count=2),
        block(6)[:-8],
        b"II*\x00\xff\xff\xff\xff",
        b"II*\x00\x08\x00\x00\x00\xff\xff",
    ],
)
def test_a_broken_block_turns_nothing(broken: bytes) -> None:
    assert exif_orientation(broken) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    turned = turn_upright(picture, orientation)
    picture.getexif()[274] = orientation
    assert np.array_equal(np.asarray(turned), np.asarray(ImageOps.exif_transpose(picture)))
