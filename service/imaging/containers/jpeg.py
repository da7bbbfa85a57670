"""JPEG: markers and their segments (ITU-T T.81, annex B)."""

import struct
from dataclasses import dataclass, field
from typing import Final

from service.imaging.jpeg_segments import CODED, EOI, SOS, segments
from service.imaging.layout import DamagedError, Layout, unsupported_pixels
from service.imaging.orientation import exif_orientation

MAX_SCANS: Final = 64
"""Most passes over the picture. Ordinary progressive files take 10; the format knows no limit, and
each pass costs time for the whole picture even when it holds no data."""

_READ_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive; Huffman
_PROGRESSIVE: Final = 0xC2
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman, quantisation, restart interval
_OTHER_FRAMES: Final = {
    0xC3: "as lossless JPEG",
    **dict.fromkeys((0xC5, 0xC6, 0xC7), "as hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB), "as JPEG with arithmetic coding"),
    **dict.fromkeys((0xCD, 0xCE, 0xCF), "as hierarchical JPEG"),
    0xF7: "as JPEG-LS",
}
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_END: Final = b"\xff\xd9"
_PROBES: Final = (b"\x00" * 256, b"\xaa\x5a" * 128)
"""Bytes to follow a scan that has no end. A decoder passes them over when it has all of the picture
and makes different pictures of them when it lacks some."""

_NOTHING: Final = 128
"""Level of blocks that a decoder has no data for; of inks it is another."""

_BLOCK_BYTES: Final = 128  # coefficients of one 8 x 8 block, two bytes each


@dataclass(slots=True)
class _Frame:
    """What the frame header says."""

    height: int
    width: int
    sampling: list[tuple[int, int]]
    progressive: bool

    def coefficient_bytes(self) -> int:
        """Memory for the whole picture's coefficients, which several scans share."""
        across = max(h for h, _ in self.sampling)
        down = max(v for _, v in self.sampling)
        blocks = sum(
            (-(-self.width // (8 * across)) * h) * (-(-self.height // (8 * down)) * v)
            for h, v in self.sampling
        )
        return blocks * _BLOCK_BYTES


@dataclass(slots=True)
class _Walk:
    """What has been seen of a file."""

    pieces: list[bytes | memoryview] = field(default_factory=lambda: [b"\xff\xd8"])
    frame: _Frame | None = None
    orientation: int = 1
    scans: int = 0
    whole_scan: bool = True


def read_layout(data: bytes) -> Layout:
    """Walk all segments and scans. Of the metadata only the orientation is kept.

    What follows the end of the first picture (a preview, a gain map) is not looked at, nor are
    stray bytes between segments. A file that ends without its end marker may be whole but for that
    or broken off, and one that broke off may have been given an end: its layout has probes.
    """
    view = memoryview(data)
    walk = _Walk()
    for kind, start, stop in segments(data):
        if kind == EOI:
            return _layout(walk, whole=True)
        if kind == CODED and stop == len(data):
            # Half an end marker would be the start of another one.
            walk.pieces.append(data[start:].rstrip(b"\xff"))
        elif kind == CODED or _is_needed(kind, data[start + 4 : stop], walk):
            walk.pieces.append(view[start:stop])
    return _layout(walk, whole=False)


def _is_needed(kind: int, body: bytes, walk: _Walk) -> bool:
    """Take notice of a segment; tell whether decoding the pixels needs it."""
    if kind in _OTHER_FRAMES:
        raise unsupported_pixels(_OTHER_FRAMES[kind])
    if kind in _READ_FRAMES:
        if walk.frame is not None:
            raise DamagedError("a second frame")
        walk.frame = _read_frame(kind, body)
    elif kind == SOS:
        _count_scan(body, walk)
    elif kind == _APP1 and walk.orientation == 1 and body.startswith(b"Exif\x00\x00"):
        walk.orientation = exif_orientation(body)
    # JFIF and Adobe segments say what the colour components mean.
    return (
        kind in _READ_FRAMES | _TABLES | {SOS}
        or (kind == _APP0 and body.startswith(b"JFIF\x00"))
        or (kind == _APP14 and body.startswith(b"Adobe"))
    )


def _read_frame(kind: int, body: bytes) -> _Frame:
    depth, height, width, components = struct.unpack_from(">BHHB", body)
    if depth != 8:
        raise unsupported_pixels(f"as JPEG of {depth} bits")
    if components not in {1, 3, 4}:
        raise unsupported_pixels(f"as JPEG of {components} channels")
    factors = [body[7 + 3 * number] for number in range(components)]
    sampling = [(factor >> 4, factor & 15) for factor in factors]
    if not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in sampling):
        raise DamagedError("sampling factors out of range")
    return _Frame(height, width, sampling, progressive=kind == _PROGRESSIVE)


def _count_scan(body: bytes, walk: _Walk) -> None:
    if walk.frame is None:
        raise DamagedError("a scan before the frame header")
    walk.scans += 1
    walk.whole_scan = walk.whole_scan and body[0] == len(walk.frame.sampling)
    if walk.scans > MAX_SCANS:
        raise DamagedError("too many scans")


def _layout(walk: _Walk, *, whole: bool) -> Layout:
    frame = walk.frame
    if frame is None or not walk.scans:
        raise DamagedError("no picture")
    one_pass = walk.whole_scan and walk.scans == 1 and not frame.progressive
    # Colour is decoded as luminance alone, but four inks as they are.
    decoded = frame.width * frame.height * (4 if len(frame.sampling) == 4 else 1)
    return Layout(
        width=frame.width,
        height=frame.height,
        working_bytes=decoded + (0 if one_pass else frame.coefficient_bytes()),
        pieces=[*walk.pieces, _END],
        orientation=walk.orientation,
        # An end marker may have been put after a scan that breaks off: one probe shows that.
        probes=[[*walk.pieces, more, _END] for more in (_PROBES[1:] if whole else _PROBES)],
        level_of_nothing=_NOTHING if whole else None,
    )
