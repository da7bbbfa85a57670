"""WebP: RIFF chunks (RFC 9649)."""

import struct
from dataclasses import dataclass
from typing import Final

from service.imaging.layout import DamagedError, Layout
from service.imaging.orientation import exif_orientation

MAX_CHUNKS: Final = 1_000

_PIXEL_BYTES: Final = 16
"""Memory for each pixel, measured: Pillow decodes every WebP as an animation, which takes two
canvases, a copy of the frame and its own picture, of four bytes each."""

_ANIMATED: Final = 0x02
_ALPHA: Final = 0x10


@dataclass(slots=True)
class _Found:
    """What the chunks hold."""

    canvas: tuple[int, int] | None = None
    alpha: memoryview | None = None
    picture: memoryview | None = None
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    animated: bool = False


def read_layout(data: bytes) -> Layout:
    """Walk the chunks and keep the picture and its transparency."""
    found = _walk(data)
    if found.animated and found.canvas:
        # Not to be read anyway: its size is all that is of interest.
        return Layout(*found.canvas, working_bytes=0, pieces=(), several=True)
    if found.picture is None or found.canvas not in {None, found.size}:
        raise DamagedError("no picture of the announced size")
    chunks: list[bytes | memoryview] = [found.picture]
    if found.alpha is not None:
        width, height = found.size
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks = [struct.pack("<4sII", b"VP8X", 10, _ALPHA) + sides, found.alpha, found.picture]
    payload = sum(len(chunk) for chunk in chunks)
    return Layout(
        *found.size,
        working_bytes=found.size[0] * found.size[1] * _PIXEL_BYTES,
        pieces=[struct.pack("<4sI4s", b"RIFF", 4 + payload, b"WEBP"), *chunks],
        orientation=found.orientation,
    )


def _walk(data: bytes) -> _Found:
    view = memoryview(data)
    [size] = struct.unpack_from("<I", data, 4)
    end = 8 + size
    if end > len(data):
        raise DamagedError("the file breaks off")
    found = _Found()
    at = 12
    for _ in range(MAX_CHUNKS):
        if end - at < 8:
            return found
        kind, length = struct.unpack_from("<4sI", data, at)
        start, at = at, at + 8 + length + length % 2
        if start + 8 + length > end:
            raise DamagedError("a chunk is longer than the file")
        _take(kind, view[start : min(at, end)], found)
        if found.animated:
            return found
    raise DamagedError("too many chunks")


def _take(kind: bytes, chunk: memoryview, found: _Found) -> None:
    if kind == b"VP8X" and found.canvas is None:
        flags, sides = chunk[8], bytes(chunk[12:18])
        found.canvas = (
            int.from_bytes(sides[:3], "little") + 1,
            int.from_bytes(sides[3:6], "little") + 1,
        )
        found.animated = bool(flags & _ANIMATED)
    elif kind == b"ALPH" and found.picture is None:
        found.alpha = chunk
    elif kind in {b"VP8 ", b"VP8L"} and found.picture is None:
        found.picture = chunk
        found.size = _lossy_size(chunk) if kind == b"VP8 " else _lossless_size(chunk)
    elif kind == b"EXIF":
        found.orientation = exif_orientation(bytes(chunk[8:]))


def _lossy_size(chunk: memoryview) -> tuple[int, int]:
    mark, width, height = struct.unpack_from("<3sHH", chunk, 11)
    if mark != b"\x9d\x01\x2a":
        raise DamagedError("no key frame")
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(chunk: memoryview) -> tuple[int, int]:
    mark, bits = struct.unpack_from("<BI", chunk, 8)
    if mark != 0x2F:
        raise DamagedError("no lossless picture")
    return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
