"""The markers of a JPEG file that Pillow does not decode: frame, tables, scan (ITU-T T.81)."""

import re
import struct
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from service.imaging.jpeg_segments import SOS, scan_end, segments
from service.imaging.layout import DamagedError

LOSSLESS: Final = 0xC3
JPEG_LS: Final = 0xF7
_FRAMES: Final = frozenset({*range(0xC0, 0xD0), JPEG_LS} - {0xC4, 0xC8, 0xCC})
# Within coded bytes, 0xFF is followed by a bit of 0 (ITU-T T.87, A.1).
_JPEG_LS_SCAN_END: Final = re.compile(rb"\xff[\x80-\xcf\xd8-\xff]", re.DOTALL)
_RESTART: Final = re.compile(rb"\xff+[\xd0-\xd7]", re.DOTALL)


@dataclass(slots=True)
class HuffmanTable:
    """Codes by their lengths, from 1 to 16 bits, and what they stand for."""

    counts: bytes
    symbols: bytes


@dataclass(slots=True)
class Markers:
    """What the markers up to the first scan say.

    Attributes:
        kind: Marker of the frame; 0 before it was seen.
        precision: Bits of a sample.
        rows: Of the picture.
        columns: Of the picture.
        components: How many colours.
        quantisation: Tables of 64 divisors in zigzag order, by number.
        huffman: Tables by class x 16 + number.
        table_of_component: Number of the quantisation table of the first component.
        restart: Units between two restart markers; 0 for none.
        scan: Body of the scan's header.
        coded: Offset of the scan's entropy-coded bytes.
        segments: Kind, first and last offset of each segment up to there, with its marker.
    """

    kind: int = 0
    precision: int = 0
    rows: int = 0
    columns: int = 0
    components: int = 0
    quantisation: dict[int, tuple[int, ...]] = field(default_factory=dict)
    huffman: dict[int, HuffmanTable] = field(default_factory=dict)
    table_of_component: int = 0
    restart: int = 0
    scan: bytes = b""
    coded: int = 0
    segments: list[tuple[int, int, int]] = field(default_factory=list)


def read_markers(data: bytes) -> Markers:
    """Walk the segments up to the first scan.

    Raises:
        DamagedError: A segment that is broken, or no frame or no scan.
    """
    markers = Markers()
    for kind, start, stop in segments(data):
        markers.segments.append((kind, start, stop))
        body = data[start + 4 : stop]
        if kind == SOS:
            markers.scan, markers.coded = body, stop
            break
        _take(kind, body, markers)
    if not markers.kind or not markers.scan:
        raise DamagedError("JPEG without a frame or a scan")
    return markers


def jpeg_ls_scan(data: bytes, markers: Markers, kinds: Container[int]) -> bytes:
    """The first scan of a JPEG-LS file, with segments of some kinds and always with an end."""
    kept = [data[start:stop] for kind, start, stop in markers.segments if kind in kinds]
    end = _JPEG_LS_SCAN_END.search(data, markers.coded)
    coded = data[markers.coded : end.start() if end else len(data)]
    return b"".join([data[:2], *kept, coded, b"\xff\xd9"])


def intervals(data: bytes, markers: Markers) -> list[bytes]:
    """The entropy-coded bytes of a Huffman-coded scan, split at restart markers, without stuffing.

    A file whose end is missing is decoded as far as it goes: the picture then lacks samples, which
    its decoder notices.
    """
    coded = data[markers.coded : scan_end(data, markers.coded)]
    pieces = _RESTART.split(coded) if markers.restart else [coded]
    return [piece.replace(b"\xff\x00", b"\xff") for piece in pieces]


def _take(kind: int, body: bytes, markers: Markers) -> None:
    if kind in _FRAMES:
        if markers.kind:
            raise DamagedError("a second frame")
        precision, rows, columns, components = struct.unpack_from(">BHHB", body)
        if len(body) < 6 + 3 * components or not components:
            raise DamagedError("a frame that breaks off")
        markers.kind, markers.precision = kind, precision
        markers.rows, markers.columns, markers.components = rows, columns, components
        markers.table_of_component = body[8]
    elif kind == 0xDB:
        _take_quantisation(body, markers)
    elif kind == 0xC4:
        _take_huffman(body, markers)
    elif kind == 0xDD:
        [markers.restart] = struct.unpack_from(">H", body)


def _take_quantisation(body: bytes, markers: Markers) -> None:
    at = 0
    while at < len(body):
        wide, number = body[at] >> 4, body[at] & 15
        size = 128 if wide else 64
        markers.quantisation[number] = struct.unpack_from(">64H" if wide else "64B", body, at + 1)
        at += 1 + size


def _take_huffman(body: bytes, markers: Markers) -> None:
    at = 0
    while at < len(body):
        number, counts = body[at], body[at + 1 : at + 17]
        at += 17
        size = sum(counts)
        if len(counts) < 16 or size > 256 or at + size > len(body):
            raise DamagedError("a Huffman table that breaks off")
        markers.huffman[number] = HuffmanTable(counts, body[at : at + size])
        at += size
