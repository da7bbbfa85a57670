"""BMP: one header, perhaps a palette, and the pixels."""

import struct
from typing import Final

from service.imaging.layout import Layout, unsupported_pixels

MAX_RUN_LENGTH_PIXELS: Final = 2_000_000
"""Most pixels of a run-length encoded picture, which Pillow decodes in Python, byte by byte: the
slowest file within this limit takes a core for 1.2 seconds."""

_CORE_HEADER: Final = 12
_SHORT_HEADER: Final = 16
_BITFIELDS: Final = 3
_MASKS_AT: Final = 54
_HEADER_WITH_OPACITY: Final = 56
_BGR: Final = (0xFF0000, 0xFF00, 0xFF)
_READ_MASKS: Final = {
    16: {(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)},
    24: {_BGR},
    32: {_BGR, (0xFF, 0xFF00, 0xFF0000), (0xFF000000, 0xFF0000, 0xFF00), (0, 0, 0)},
}
"""Bits of red, green and blue, by the bits of a pixel, that Pillow knows."""

_OPACITY_BESIDE: Final = (0xFF, 0xFF00, 0xFF0000)
"""An order that Pillow knows with an opacity only."""

_UNCOMPRESSED: Final = frozenset({0, 3})
_RUN_LENGTH: Final = frozenset({1, 2})


def read_layout(data: bytes) -> Layout:
    """Read the header and check that the pixels it announces are there."""
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size == _SHORT_HEADER:
        raise unsupported_pixels("as a bitmap with a shortened header of OS/2")
    if header_size == _CORE_HEADER:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, depth, compression = struct.unpack_from("<IIHHI", data, 18)
        if height > 0x7FFFFFFF:  # rows from top to bottom
            height = 2**32 - height
    offset = offset or 14 + header_size
    if compression in _RUN_LENGTH:
        return _run_length(data, width, height, offset)
    if compression not in _UNCOMPRESSED:
        raise unsupported_pixels("as a bitmap with a compression of its own")
    if compression == _BITFIELDS:
        _check_masks(data, header_size, depth)
    row_bytes = (width * depth + 31) // 32 * 4
    return Layout(
        width,
        height,
        working_bytes=width * height * (1 if depth <= 8 else 4),
        pieces=[data],
        complete=offset + row_bytes * height <= len(data),
    )


def _run_length(data: bytes, width: int, height: int, offset: int) -> Layout:
    pixels = width * height
    # A run takes two bytes and has a pixel at least; what is longer has runs of nothing.
    end = offset + 2 * pixels + 4 * height + 2
    return Layout(
        width,
        height,
        working_bytes=4 * pixels,
        pieces=[memoryview(data)[:end]],
        most_pixels=MAX_RUN_LENGTH_PIXELS,
    )


def _check_masks(data: bytes, header_size: int, depth: int) -> None:
    """Refuse an order of colours that Pillow does not know: the file is sound."""
    *colours, opacity = struct.unpack_from("<4I", data, _MASKS_AT)
    known = tuple(colours) in _READ_MASKS.get(depth, set())
    has_opacity = header_size >= _HEADER_WITH_OPACITY and opacity > 0
    if not known or (tuple(colours) == _OPACITY_BESIDE and not has_opacity):
        raise unsupported_pixels("as a bitmap with its colours in a rare order")
