"""Bitmaps as thirty years of Windows and OS/2 wrote them."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.imaging import UnsupportedFormatError, decode
from tests.phantom import phantom

SIZE = (333, 257)
LEVELS = np.asarray(phantom(3, SIZE))
WIDTH, HEIGHT = SIZE

BGR = (0xFF0000, 0xFF00, 0xFF)
RGB = BGR[::-1]
OPAQUE = 0xFF000000


def pixel_rows(bits: int, red_bits: tuple[int, ...]) -> NDArray[Any]:
    """The phantom from top to bottom, in grey of so many bits; bytes of a row side by side."""
    if bits == 8:
        return LEVELS
    if bits == 4:
        halves = np.pad(LEVELS >> 4, ((0, 0), (0, WIDTH % 2)))
        return halves[:, ::2] << 4 | halves[:, 1::2]
    if bits == 16:
        wide = LEVELS.astype("<u2")
        red, green, blue = ((wide >> (8 - width)) for width in red_bits)
        return ((red << (red_bits[1] + red_bits[2])) | (green << red_bits[2]) | blue).view(np.uint8)
    planes = [LEVELS] * 3 + [np.full_like(LEVELS, 7)] * (bits == 32)
    return np.stack(planes, axis=-1).reshape(HEIGHT, -1)


def bitmap(
    bits: int,
    header: int = 40,
    *,
    top_down: bool = False,
    masks: tuple[int, ...] = (),
    red_bits: tuple[int, ...] = (5, 5, 5),
    gap: int = 0,
) -> bytes:
    """The phantom as a bitmap whose header has so many bytes."""
    rows = pixel_rows(bits, red_bits)
    row_bytes = (WIDTH * bits + 31) // 32 * 4
    body = b"".join(
        row.tobytes().ljust(row_bytes, b"\x00") for row in (rows if top_down else rows[::-1])
    )
    if header == 12:
        head = struct.pack("<IHHHH", header, WIDTH, HEIGHT, 1, bits)
    else:
        height = -HEIGHT if top_down else HEIGHT
        compression = 3 if masks else 0
        head = struct.pack("<IiiHHIIIIII", header, WIDTH, height, 1, bits, compression, *[0] * 5)
        head = (head[:header] + struct.pack(f"<{len(masks)}I", *masks)).ljust(header, b"\x00")
    shades = np.rint(np.linspace(0, 255, 1 << bits)).astype(int) if bits <= 8 else ()
    palette = b"".join(bytes([shade] * 3 + [0] * (header > 12)) for shade in shades)
    start = 14 + len(head) + len(palette) + gap
    file = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    return file + head + palette + bytes(gap) + body


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("header", [12, 40, 52, 56, 64, 108, 124])
@pytest.mark.parametrize("bits", [4, 8, 16, 24, 32])
def test_every_header_and_depth(bits: int, header: int, top_down: bool) -> None:
    if header == 12 and (top_down or bits in {16, 32}):
        pytest.skip("there are none")
    error = decode(bitmap(bits, header, top_down=top_down)).pixels - LEVELS.astype(int)
    assert np.abs(error).max() <= {4: 15, 16: 8}.get(bits, 0)


@pytest.mark.parametrize("header", [40, 52, 56, 108, 124])
@pytest.mark.parametrize(
    ("bits", "masks", "red_bits"),
    [
        (16, (0xF800, 0x7E0, 0x1F), (5, 6, 5)),
        (16, (0x7C00, 0x3E0, 0x1F), (5, 5, 5)),
        (32, BGR, ()),
        (32, (*BGR, OPAQUE), ()),
        (32, (*RGB, OPAQUE), ()),
    ],
)
def test_masks_say_where_colours_are(
    header: int, bits: int, masks: tuple[int, ...], red_bits: tuple[int, ...]
) -> None:
    if len(masks) == 4 and header < 56:
        pytest.skip("such a header has no place for a fourth")
    error = decode(bitmap(bits, header, masks=masks, red_bits=red_bits)).pixels - LEVELS.astype(int)
    assert np.abs(error).max() <= (8 if bits == 16 else 0)


@pytest.mark.parametrize("gap", [2, 40, 1000])
def test_pixels_start_where_the_header_says(gap: int) -> None:
    assert np.array_equal(decode(bitmap(8, gap=gap)).pixels, LEVELS)


SOUND_BUT_RARE: dict[str, Callable[[], bytes]] = {
    "red first without opacity": lambda: bitmap(32, masks=RGB),
    "ten bits a colour": lambda: bitmap(32, masks=(0x3FF00000, 0xFFC00, 0x3FF)),
    "four bits a colour": lambda: bitmap(16, 56, masks=(0xF00, 0xF0, 0xF)),
    "a shortened header": lambda: bitmap(8, 16),
}


@pytest.mark.parametrize("name", SOUND_BUT_RARE)
def test_a_rare_kind_is_not_called_damaged(name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="bitmap"):
        decode(SOUND_BUT_RARE[name]())
