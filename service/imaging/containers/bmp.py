"""BMP: one header, perhaps a palette, and the pixels."""

import struct
from typing import Final

from service.imaging.layout import Layout, unsupported_pixels

MAX_RUN_LENGTH_PIXELS: Final = 2_000_000
"""Most pixels of a run-length encoded picture, which Pillow decodes in Python, byte by byte: the
slowest file within this limit takes a core for 1.2 seconds."""

_CORE_HEADER: Final = 12
_UNCOMPRESSED: Final = frozenset({0, 3})
_RUN_LENGTH: Final = frozenset({1, 2})


def read_layout(data: bytes) -> Layout:
    """Read the header and check that the pixels it announces are there."""
    offset, header_size = struct.unpack_from("<II", data, 10)
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
