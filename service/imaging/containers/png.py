"""PNG: chunks (ISO/IEC 15948)."""

import struct
import zlib
from typing import Final

from service.imaging.layout import DamagedError, Layout
from service.imaging.orientation import exif_orientation
from service.imaging.wide_colour import read_wide_colour

MAX_CHUNKS: Final = 100_000
"""Most chunks; encoders write 8 KiB of pixels into each, or more."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_END: Final = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
_MAX_PALETTE_BYTES: Final = 768
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel, by colour type."""

_WIDE_COLOURS: Final = frozenset({2, 4, 6})
_WITH_OPACITY: Final = frozenset({4, 6})

_MAX_DEFLATE_RATIO: Final = 1032
"""Most bytes that one byte of deflated data can become (zlib's technical notes)."""


def read_layout(data: bytes) -> Layout:
    """Walk the chunks and keep the header, palette, transparency and pixels.

    An animation of one frame is read as the still picture that it also holds.
    """
    view = memoryview(data)
    width, height, depth, colour = _header(data)
    pieces: list[bytes | memoryview] = [_SIGNATURE]
    pixel_bytes, orientation, several, whole = 0, 1, False, True
    at = len(_SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if len(data) - at < 8:
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        start, at = at, at + 12 + length
        if kind == b"IEND":
            break
        if at > len(data):
            whole = False
            break
        if kind == b"tRNS" and (depth, colour) == (16, 2):
            continue  # a colour that is transparent, which Pillow looks for in 8 bits
        if kind in _NEEDED:
            if kind != b"IDAT" and length > _MAX_PALETTE_BYTES:
                raise DamagedError("a palette of too many colours")
            pieces.append(view[start:at])
            pixel_bytes += length if kind == b"IDAT" else 0
        elif kind == b"eXIf":
            orientation = exif_orientation(data[start + 8 : at - 4])
        elif kind == b"acTL":
            several = several or struct.unpack_from(">I", data, start + 8)[0] > 1
    else:
        raise DamagedError("too many chunks")
    pieces.append(_END)
    wide = depth == 16 and colour in _WIDE_COLOURS
    row_bytes = 1 + (width * _SAMPLES[colour] * depth + 7) // 8
    return Layout(
        width=width,
        height=height,
        working_bytes=width * height * _decoded_pixel_bytes(depth, colour) + 4 * row_bytes,
        pieces=pieces,
        orientation=orientation,
        several=several,
        complete=whole and pixel_bytes * _MAX_DEFLATE_RATIO >= row_bytes * height,
        read_samples=(lambda: read_wide_colour(b"".join(pieces))) if wide else None,
    )


def _header(data: bytes) -> tuple[int, int, int, int]:
    length, kind, width, height, depth, colour = struct.unpack_from(
        ">I4sIIBB", data, len(_SIGNATURE)
    )
    if (length, kind) != (13, b"IHDR") or colour not in _SAMPLES or depth not in {1, 2, 4, 8, 16}:
        raise DamagedError("the first chunk is no header")
    return width, height, depth, colour


def _decoded_pixel_bytes(depth: int, colour: int) -> int:
    if _SAMPLES[colour] > 1:
        if depth == 16:
            # Pillow's picture, levels and opacity; the finished picture is made when the first is
            # gone, and counted elsewhere.
            return 4 + 2 + (colour in _WITH_OPACITY) - 1
        return 4
    return 2 if depth == 16 else 1
