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

_ALPHA: Final = 0x10


@dataclass(slots=True)
class _Found:
    """What the chunks hold."""

    canvas: tuple[int, int] | None = None
    alpha: memoryview | None = None
    picture: memoryview | None = None
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    frames: int = 0


def read_layout(data: bytes) -> Layout:
    """Walk the chunks and keep the picture and its transparency.

    An animation of one frame is read as that frame.
    """
    found = _walk(data)
    if found.frames > 1:
        # Not to be read anyway: its size is all that is of interest.
        size = found.canvas or found.size
        return Layout(*size, working_bytes=0, pieces=(), several=True)
    if found.picture is None or (not found.frames and found.canvas not in {None, found.size}):
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
        if kind == b"ANMF":
            # A frame is 16 bytes about its place and time, and chunks like those of a still.
            found.frames += 1
            at = start + 24
            if found.frames > 1:
                return found
        else:
            _take(kind, view[start : min(at, end)], found)
    raise DamagedError("too many chunks")


def _take(kind: bytes, chunk: memoryview, found: _Found) -> None:
    if kind == b"VP8X" and found.canvas is None:
        sides = bytes(chunk[12:18])
        found.canvas = (
            int.from_bytes(sides[:3], "little") + 1,
            int.from_bytes(sides[3:6], "little") + 1,
        )
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
