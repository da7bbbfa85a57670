"""JPEG 2000: a codestream by itself or in a JP2 file (ITU-T T.800, annexes A and I)."""

import struct
from typing import Final

import numpy as np

from service.imaging.containers.boxes import boxes
from service.imaging.dicom.codestream import Codestream, read_codestream
from service.imaging.layout import DamagedError, Layout, Samples, unsupported_pixels
from service.imaging.luminance import luminance

MAX_TILE_PARTS: Final = 65_536

_START: Final = b"\xff\x4f\xff\x51"
_TILE_PART: Final = 0xFF90
_END: Final = 0xFFD9
_HEADER_SEGMENTS: Final = range(0xFF50, 0xFF70)
_SIGNED: Final = 0x80
_DEPTH_AT: Final = 42
_DEEP_COPY_BYTES: Final = 4
"""Memory for each pixel of more than 8 bits, measured: what Pillow gives and what is made of it."""
_READ_COLOURS: Final = frozenset({16, 17})  # sRGB, grey


def read_layout(data: bytes) -> Layout:
    """Find the codestream, check that it is whole, and read its size segment.

    OpenJPEG makes a blurred picture of a codestream that breaks off, without a word: each tile-part
    must have its length, up to the end marker.
    """
    stream, several = (data, False) if data.startswith(_START) else _unboxed(data)
    _check_tile_parts(stream)
    found = read_codestream(stream, rgb=True)
    if found is None:
        raise DamagedError("no codestream")
    if stream[_DEPTH_AT] & _SIGNED:
        raise unsupported_pixels("as numbers with a sign, whose black and white nothing gives")
    copies = _DEEP_COPY_BYTES if found.precision > 8 else 0
    return Layout(
        width=found.columns,
        height=found.rows,
        working_bytes=found.working_bytes + copies * found.columns * found.rows,
        pieces=(),
        several=several,
        read_samples=lambda: _samples(found),
    )


def _unboxed(data: bytes) -> tuple[bytes, bool]:
    """The codestream of a JP2 file, and whether there are more."""
    streams = []
    for kind, content in boxes(data):
        if kind == b"jp2c":
            streams.append(bytes(content))
        elif kind == b"jp2h":
            _check_colours(content)
    if not streams:
        raise DamagedError("no codestream")
    return streams[0], len(streams) > 1


def _check_colours(header: memoryview) -> None:
    """Refuse what the codestream alone does not show."""
    for kind, content in boxes(header):
        if kind == b"pclr":
            raise unsupported_pixels("as JPEG 2000 with a palette")
        if kind == b"colr" and bytes(content[:1]) == b"\x01":
            [space] = struct.unpack_from(">I", content, 3)
            if space not in _READ_COLOURS:
                raise unsupported_pixels("as JPEG 2000 in other colours than RGB")


def _check_tile_parts(stream: bytes) -> None:
    """Each tile must be there with all of its parts: OpenJPEG fills up what is missing."""
    left_out = set(range(_tiles(stream)))
    parts: dict[int, int] = {}
    at = len(_START) - 2
    for _ in range(MAX_TILE_PARTS):
        marker, length = struct.unpack_from(">HH", stream.ljust(at + 4, b"\x00"), at)
        if marker == _END and not left_out:
            return
        if marker == _TILE_PART:
            tile, length, _, number = struct.unpack_from(">HIBB", stream, at + 4)
            parts[tile] = parts.get(tile, 0) + 1
            # How many there are may stand in any of them, or nowhere.
            if number in {0, parts[tile]}:
                left_out.discard(tile)
            # A length of 0 is up to the end marker, in the last tile-part only.
            at = at + length if length else len(stream.rstrip(b"\x00")) - 2
        elif marker in _HEADER_SEGMENTS:
            at += 2 + length
        else:
            break
    raise DamagedError("a codestream that breaks off")


def _tiles(stream: bytes) -> int:
    """Number of tiles, from the size segment."""
    right, bottom, _, _, across, down, left, top = struct.unpack_from(">8I", stream, 8)
    if not across or not down or left > right or top > bottom:
        raise DamagedError("tiles of no size")
    tiles: int = -(-(right - left) // across) * -(-(bottom - top) // down)
    if tiles > MAX_TILE_PARTS:
        raise DamagedError("too many tiles")
    return tiles


def _samples(found: Codestream) -> Samples:
    decoded = found.decode()
    if decoded.picture is not None:
        if decoded.picture.mode != "RGB":
            raise unsupported_pixels(f"in a rare pixel type ({decoded.picture.mode})")
        return Samples(luminance(np.asarray(decoded.picture)))
    if decoded.samples is None or decoded.samples.shape != (found.rows, found.columns):
        raise DamagedError("another size than announced")
    if found.precision > 8:
        return Samples(decoded.samples.astype(np.uint16, copy=False))
    top = (1 << found.precision) - 1
    table = np.rint(np.arange(256).clip(max=top) * (255 / top)).astype(np.uint8)
    return Samples(table[decoded.samples])
