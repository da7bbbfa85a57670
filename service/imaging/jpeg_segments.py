"""The segments of a JPEG file (ITU-T T.81, annex B), for what reads or decodes one."""

import re
from collections.abc import Iterator
from typing import Final

from service.imaging.layout import DamagedError

MAX_SEGMENTS: Final = 10_000

SOS: Final = 0xDA
EOI: Final = 0xD9
CODED: Final = 0
"""In place of a marker: the entropy-coded bytes that follow the header of a scan."""

_MARKER: Final = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_SCAN_END: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_STAND_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a segment, which mean nothing between segments."""


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Walk a file up to its end marker, or to its last byte if it has none.

    Args:
        data: The file; stray bytes between segments are passed over.

    Yields:
        Marker of each segment, and its first and last offset, marker and length included.

    Raises:
        DamagedError: A segment reaches beyond the file, or there are too many.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            return
        kind, at = found[1][0], found.end()
        if kind == EOI:
            yield kind, found.start(), at
            return
        if kind in _STAND_ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        at += length
        if length < 2 or at > len(data):
            raise DamagedError("a segment's length is wrong")
        yield kind, found.start(), at
        if kind == SOS:
            end = scan_end(data, at)
            yield CODED, at, end
            at = end
    raise DamagedError("too many segments")


def scan_end(data: bytes, start: int) -> int:
    """Where the entropy-coded bytes of a scan end; the file's length if no marker follows them."""
    end = _SCAN_END.search(data, start)
    return end.start() if end else len(data)
